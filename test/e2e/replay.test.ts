/**
 * Every recording of what real engines sent is played to the agent, on a real Open vSwitch, and every
 * answer is checked for shape and meaning. Docker itself takes no part: the recording is the engine. What
 * is refused, and why that is right, is in `../support/replay-refusals.ts`.
 */
import { rmSync } from 'node:fs';
import { join } from 'node:path';
import { describe, expect, test } from 'vitest';
import { loadScenarios, type Scenario } from '../recordings/load.ts';
import { startAgent } from '../support/agent-process.ts';
import { labOfOneHost } from '../support/lab-host.ts';
import { replay, type Refusal } from '../support/replay.ts';
import { heedableScenarios, refusalsOf, refusedScenarios } from '../support/replay-refusals.ts';

const one = labOfOneHost();
const scenarios = loadScenarios();

/** Each plugin of a recording was on a host of its own, or had a name of its own. */
async function replayAll(scenario: Scenario, heeding: boolean): Promise<readonly Refusal[]> {
  const { host } = one;
  const refusals: Refusal[] = [];
  for (const plugin of new Set(scenario.calls.map((call) => call.plugin))) {
    rmSync(join(host.directory, 'agent', 'data'), { recursive: true, force: true });
    // no engine: it would not know what is made here, and the agent would sweep it
    const agent = await startAgent(host, 'binary', {
      env: { FAIRLEAD_DOCKER_HOST: 'unix:/nonexistent/docker.sock' },
    });
    try {
      refusals.push(...(await replay(host, { scenario, plugin, heeding })));
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

describe('an engine that speaks as if to another plugin is answered right', () => {
  test.each(titled(scenarios))('%s', async (_title, scenario) => {
    const refusals = await replayAll(scenario, false);
    expect(counted(refusals)).toEqual(refusalsOf(scenario.name, false));
  });
});

describe('an engine that goes by our answers is answered right', () => {
  const heedable = scenarios.filter(({ name }) => heedableScenarios.includes(name));
  test.each(titled(heedable))('%s', async (_title, scenario) => {
    const refusals = await replayAll(scenario, true);
    expect(counted(refusals)).toEqual(refusalsOf(scenario.name, true));
  });
});

test('refusals are expected of scenarios that were recorded', () => {
  const names = new Set(scenarios.map(({ name }) => name));
  expect(refusedScenarios.filter((name) => !names.has(name))).toEqual([]);
  expect(scenarios.length).toBeGreaterThan(50);
});
