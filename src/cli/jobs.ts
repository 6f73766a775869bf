// `troupe jobs`: lists queued, running and dead jobs; `retry` and `cancel` act on one.
import { Argument, Command } from 'commander';
import type { JobView } from '../jobs/view.ts';
import { type AccessOptions, accessOptions, serviceOf } from './access.ts';
import { Complaint, type Service } from './service.ts';
import { ago, table } from './table.ts';

interface JobsOptions extends AccessOptions {
  readonly state?: string;
  readonly limit: string;
  readonly json?: true;
}

export const jobs = accessOptions(new Command('jobs'))
  .description('list the jobs, show one, or retry and cancel some')
  .addArgument(new Argument('[action]', 'what to do').choices(['list', 'show', 'retry', 'cancel']).default('list'))
  .argument('[ids...]', 'the jobs to show, retry or cancel')
  .option('--state <state>', 'list only those in this state, such as dead')
  .option('--limit <count>', 'list at most so many', '100')
  .option('--json', 'for programs')
  .action(async (action: string, ids: string[], { state, limit, json, ...access }: JobsOptions) => {
    const service = await serviceOf(access);
    if (action === 'list') return list(service, { state, limit }, json);
    if (ids.length === 0) throw new Complaint('no_job', `${action} which job? troupe jobs lists them`);
    for (const id of ids) {
      const job = await (action === 'show'
        ? service.get<JobView>(`/v1/jobs/${id}`)
        : service.post<JobView>(`/v1/jobs/${id}/${action}`, { by: process.env.USER ?? 'supervisor' }));
      console.log(action === 'show' || json ? JSON.stringify(job, null, 2) : `${job.job_id} is ${job.state}`);
    }
  });

async function list(service: Service, { state, limit }: { state?: string; limit: string }, json?: true): Promise<void> {
  const query = new URLSearchParams({ limit, ...(state && { state }) });
  const page = await service.get<{ jobs: JobView[]; next_cursor?: string }>(`/v1/jobs?${query}`);
  if (json) {
    console.log(JSON.stringify(page.jobs, null, 2));
    return;
  }
  if (page.jobs.length === 0) {
    console.log(state ? `No job is ${state}.` : 'No job yet.');
    return;
  }
  console.log(table(HEADS, page.jobs.map(rowOf)));
  if (page.next_cursor) console.log('… and more; --limit shows up to 1000, --state narrows.');
}

const HEADS = ['JOB', 'ORCHESTRATOR', 'STATE', 'PROGRESS', 'ATTEMPTS', 'LAST', 'NOTE'];

function rowOf({ job_id, orchestrator, state, progress, attempts, updated_at, note, error }: JobView) {
  const said = state === 'done' ? '' : error ? `${error.code}: ${error.message}` : (note ?? '');
  return [job_id, orchestrator, state, `${Math.round(progress * 100)} %`, attempts, `${ago(updated_at)} ago`, said];
}
