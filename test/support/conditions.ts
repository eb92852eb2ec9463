/** What an agent says is wrong on its host. */
import { z } from 'zod';
import type { LabHost } from '../lab/host.ts';
import { waitFor } from '../lab/wait.ts';
import { apiGet } from './agent-process.ts';

const statusSchema = z.object({
  conditions: z.array(z.object({ code: z.string(), message: z.string() })),
});

/** The messages of the conditions that hold now, by code. */
export async function conditionsOf(host: LabHost): Promise<ReadonlyMap<string, string>> {
  const { conditions } = statusSchema.parse((await apiGet(host, '/v1/health')).body);
  return new Map(conditions.map(({ code, message }) => [code, message]));
}

/** Waits until a condition holds, and gives its message. */
export function untilCondition(host: LabHost, code: string, timeoutMs: number): Promise<string> {
  const what = `${code} on ${host.name}`;
  return waitFor({ what, timeoutMs, everyMs: 200 }, async () =>
    (await conditionsOf(host)).get(code),
  );
}

/** Waits until a condition holds no more. */
export async function untilClear(host: LabHost, code: string, timeoutMs: number): Promise<void> {
  const what = `end of ${code} on ${host.name}`;
  await waitFor(
    { what, timeoutMs, everyMs: 200 },
    async () => !(await conditionsOf(host)).has(code),
  );
}
