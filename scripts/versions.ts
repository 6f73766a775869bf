// Keeps what every version of a chart is and does, in machines/versions.json: `npm run versions`.
//
// A version that is not there is added. One that does otherwise than it is kept is an error: stored sessions of that version
// would be read by a chart that is not theirs. `--again <chart>` keeps it anew, where that version was never released or
// only the test's world of it changed.

import { readFileSync, writeFileSync } from 'node:fs';
import { fingerprints, type Versions, versionsFile } from '../test/worlds/versions.ts';

const again = process.argv.slice(2).filter((word) => !word.startsWith('--'));
const kept = JSON.parse(readFileSync(versionsFile, 'utf8')) as Versions;
for (const [name, { version, fingerprint }] of Object.entries(fingerprints())) {
  const before = kept[name]?.[version];
  if (before === fingerprint) continue;
  if (before !== undefined && !again.includes(name)) {
    console.error(`${name}@${version} is not what it was: give it a new version, and a migration from ${version}.`);
    process.exitCode = 1;
    continue;
  }
  kept[name] = { ...kept[name], [version]: fingerprint };
  console.log(`${name}@${version}: ${fingerprint}`);
}
writeFileSync(versionsFile, `${JSON.stringify(kept, null, 2)}\n`);
