// Writes the permissions of each role into docs/nats.md, as `troupe permissions` prints them.
import { readFileSync, writeFileSync } from 'node:fs';
import { authorization, roles } from '../src/interfaces/nats/permissions.ts';

const BEGIN = '<!-- permissions: written by scripts/permissions.ts -->';
const END = '<!-- end of permissions -->';

/** What stands between the marks, with them. */
export const block = (): string =>
  `${BEGIN}\n\`\`\`\n${authorization(roles, { tenant: 'acme', agent: 'desk' })}\`\`\`\n${END}`;

if (import.meta.main) {
  const page = new URL('../docs/nats.md', import.meta.url);
  const text = readFileSync(page, 'utf8');
  const [begin, end] = [text.indexOf(BEGIN), text.indexOf(END)];
  if (begin < 0 || end < begin) throw new Error(`docs/nats.md has no place for it: ${BEGIN} … ${END}`);
  writeFileSync(page, text.slice(0, begin) + block() + text.slice(end + END.length));
}
