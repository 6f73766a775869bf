// Properties are tried with the same values in every run, unless SEED says otherwise, and RUNS how many; a failure prints the seed.
import fc from 'fast-check';

fc.configureGlobal({
  seed: Number(process.env.SEED ?? 20_261_121),
  ...(process.env.RUNS && { numRuns: Number(process.env.RUNS) }),
});
