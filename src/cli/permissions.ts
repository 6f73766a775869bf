// `troupe permissions`: prints the permissions of a nats-server's users per role, as a block of its configuration.
import { Command } from 'commander';
import { token } from '../../machines/session/events.ts';
import type { Role } from '../interfaces/nats/permissions.ts';
import { Complaint } from './service.ts';

export const permissions = new Command('permissions')
  .description("print the users and permissions of a nats-server's configuration: node, agent, client, supervisor")
  .argument('[roles...]', 'node, agent, client, supervisor; all of them unless told')
  .option('--tenant <tenant>', 'whose sessions and agents; * for all tenants', 'default')
  .option('--agent <agent>', 'which agent; * for all of the tenant', '*')
  .action(async (wanted: string[], scope: { tenant: string; agent: string }) => {
    const { authorization, roles } = await import('../interfaces/nats/permissions.ts');
    for (const [name, value] of Object.entries(scope))
      if (value !== '*' && !token.safeParse(value).success)
        throw new Complaint('bad_option', `--${name} takes a name of a-z, 0-9, _ and -, or *, not "${value}"`);
    const unknown = wanted.find((role) => !roles.includes(role as Role));
    if (unknown !== undefined)
      throw new Complaint('bad_option', `there is no role "${unknown}"; there are ${roles.join(', ')}`);
    const which = wanted.length === 0 ? roles : (wanted as Role[]);
    process.stdout.write(authorization(which, scope));
  });
