// How states are named: one meaning of `/` and of `.` for every chart.
import { expect, test } from 'vitest';
import { outerLevel, stateName } from '../machines/state-name.ts';

test('regions are apart by `/`, levels by `.`', () => {
  expect(stateName('closed')).toBe('closed');
  expect(stateName({ available: 'busy' })).toBe('available.busy');
  expect(stateName({ a: { b: { c: 'd' } } })).toBe('a.b.c.d');
  expect(stateName({ control: { human: 'held' }, turn: { running: 'attempting' } })).toBe(
    'human.held/running.attempting',
  );
});

test('a lone level around regions is left out; a region without states of its own is named itself', () => {
  expect(stateName({ open: { control: 'automated', turn: 'idle' } })).toBe('automated/idle');
  expect(stateName({ lamp: {}, door: 'shut' })).toBe('lamp/shut');
  expect(stateName({ lamp: {} })).toBe('lamp');
});

test('the outermost level of a part is its first name', () => {
  expect(['human.held', 'idle'].map(outerLevel)).toEqual(['human', 'idle']);
});
