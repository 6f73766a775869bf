// Chance that can be repeated, for the tests that draw their operations.
export { type Random, random } from '../src/testing/random.ts';
