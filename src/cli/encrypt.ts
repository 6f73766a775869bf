// `troupe encrypt`: encrypts a secret for the configuration. Reads it from stdin, never from the command line.
import { Command } from 'commander';
import { token } from '../../machines/session/events.ts';
import { generateKey, readKey, seal } from '../llm/secret.ts';
import { parse } from '../platform/parse.ts';
import { Complaint } from './service.ts';

interface EncryptOptions {
  readonly tenant?: string;
  readonly generateKey?: true;
}

export const encrypt = new Command('encrypt')
  .description('encrypt an API key for the configuration; reads it from stdin, or asks for it')
  .option('--tenant <tenant>', 'whose key it is, for its own and its users’ levels; the founder’s unless told')
  .option('--generate-key', 'print a fresh TROUPE_ENCRYPTION_KEY instead')
  .action(async ({ tenant, generateKey: fresh }: EncryptOptions) => {
    if (fresh) {
      console.log(generateKey());
      return;
    }
    const written = process.env.TROUPE_ENCRYPTION_KEY;
    if (!written)
      throw new Complaint(
        'no_encryption_key',
        'set TROUPE_ENCRYPTION_KEY; make one with: troupe encrypt --generate-key',
      );
    const key = readKey(written);
    const owner = tenant === undefined ? 'founder' : { tenant: parse(token, tenant, '--tenant') };
    const secret = process.stdin.isTTY ? await ask('API key (not shown): ') : await piped();
    if (secret === '') throw new Complaint('no_secret', 'there was nothing to encrypt on stdin');
    if (/[^\x21-\x7e]/.test(secret))
      throw new Complaint('bad_secret', 'an API key is one word of ASCII characters, this is something else');
    console.log(seal(secret, key, owner));
  });

async function piped(): Promise<string> {
  const chunks: Buffer[] = [];
  for await (const chunk of process.stdin) chunks.push(chunk as Buffer);
  return Buffer.concat(chunks).toString('utf8').trim();
}

/** Reads a line from the terminal without echo. */
async function ask(prompt: string): Promise<string> {
  const { stdin, stderr } = process;
  stderr.write(prompt);
  stdin.setRawMode(true);
  stdin.setEncoding('utf8');
  let typed = '';
  try {
    for await (const chunk of stdin as AsyncIterable<string>)
      for (const character of chunk) {
        if (character === '\r' || character === '\n' || character === '\u0004') return typed.trim();
        if (character === '\u0003') throw new Complaint('cancelled', 'nothing was encrypted');
        typed = character === '\u007f' ? typed.slice(0, -1) : typed + character;
      }
    return typed.trim();
  } finally {
    stdin.setRawMode(false);
    stderr.write('\n');
  }
}
