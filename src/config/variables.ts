// Replaces `${NAME}` in a configuration by environment variables, so that files name secrets without containing them.
import { Refused } from '../platform/errors.ts';

const NAME = /\$\{([A-Za-z_][A-Za-z0-9_]*)\}/g;

/**
 * The value with every `${NAME}` in its strings replaced. Throws `Refused('bad_config')` naming a variable that is not set and
 * the field that uses it.
 */
export function withVariables<T>(value: T, env: Readonly<Record<string, string | undefined>>, field: string): T {
  if (typeof value === 'string')
    return value.replaceAll(NAME, (_, name: string) => {
      const found = env[name];
      if (found === undefined) throw new Refused('bad_config', `${field}: the environment has no variable ${name}`);
      return found;
    }) as T;
  if (Array.isArray(value)) return value.map((one, at) => withVariables(one, env, `${field}.${at}`)) as T;
  if (typeof value !== 'object' || value === null) return value;
  const members = Object.entries(value).map(([name, one]) => [name, withVariables(one, env, `${field}.${name}`)]);
  return Object.fromEntries(members) as T;
}
