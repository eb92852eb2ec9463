/**
 * Every recording of what real engines sent is played to the agent, on a real Open vSwitch, and every
 * answer is checked for shape and meaning. Docker itself takes no part: the recording is the engine.
 */
import { rmSync } from 'node:fs';
import { join } from 'node:path';
import { afterAll, beforeAll, describe, expect, test } from 'vitest';
import type { LabHost } from '../lab/host.ts';
import { openLab } from '../lab/lab.ts';
import { loadScenarios, type Scenario } from '../recordings/load.ts';
import { startAgent } from '../support/agent-process.ts';
import { replay, type Refusal } from '../support/replay.ts';
import { hasUnknownOptions, refusalsOf, refusedScenarios } from '../support/replay-refusals.ts';

const lab = openLab();
const scenarios = loadScenarios();
let host: LabHost;

beforeAll(async () => {
  const [first] = await lab.up(1);
  if (first === undefined) throw new Error('the lab has no host');
  host = first;
});
afterAll(() => lab.down());

/** Each plugin of a recording was on a host of its own, or had a name of its own. */
async function replayAll(scenario: Scenario, withoutOptions: boolean): Promise<readonly Refusal[]> {
  const refusals: Refusal[] = [];
  for (const plugin of new Set(scenario.calls.map((call) => call.plugin))) {
    rmSync(join(host.directory, 'agent', 'data'), { recursive: true, force: true });
    // no engine: it would not know what is made here, and the agent would sweep it
    const agent = await startAgent(host, 'binary', {
      env: { FAIRLEAD_DOCKER_HOST: 'unix:/nonexistent/docker.sock' },
    });
    try {
      refusals.push(...(await replay(host, { scenario, plugin, withoutOptions })));
    } finally {
      await agent.stop('SIGKILL');
    }
  }
  return refusals;
}

/** How often each kind of refusal came. */
const counted = (refusals: readonly Refusal[]): Record<string, number> =>
  Object.fromEntries(
    [...Map.groupBy(refusals, ({ what }) => what)].map(([what, all]) => [what, all.length]),
  );

const titled = (list: readonly Scenario[]) =>
  list.map((scenario) => [`${scenario.engine} ${scenario.name}`, scenario] as const);

describe('the agent answers an engine right', () => {
  test.each(titled(scenarios))('%s', async (_title, scenario) => {
    const refusals = await replayAll(scenario, false);
    expect(counted(refusals)).toEqual(refusalsOf(scenario.name, false));
  });
});

describe('the agent answers an engine right whose user leaves unknown options out', () => {
  const refused = scenarios.filter(({ name }) => hasUnknownOptions(name));
  test.each(titled(refused))('%s', async (_title, scenario) => {
    const refusals = await replayAll(scenario, true);
    expect(counted(refusals)).toEqual(refusalsOf(scenario.name, true));
  });
});

test('no refusal is expected of a scenario that was not recorded', () => {
  const names = new Set(scenarios.map(({ name }) => name));
  expect(refusedScenarios.filter((name) => !names.has(name))).toEqual([]);
  expect(scenarios.length).toBeGreaterThan(50);
});
