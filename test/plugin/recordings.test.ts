/** Everything that real engines were recorded to send is understood. */
import { describe, expect, test } from 'vitest';
import { systemClock } from '../../lib/clock.ts';
import { createPluginApp } from '../../lib/plugin/app.ts';
import { bareCalls } from '../../lib/plugin/handlers.ts';
import { loadScenarios, type RecordedCall } from '../recordings/load.ts';
import { callNames, handlersThat, keptLog, type Handled } from './stub.ts';

const scenarios = loadScenarios();
const calls = scenarios.flatMap((scenario) => scenario.calls);

/** What an engine sends back to a plugin that gave it an empty pool id. */
const emptyPoolId = (call: RecordedCall): boolean => call.body?.['PoolID'] === '';

/** What an engine sends when it repeats a call whose connection broke. */
const repeatedEmpty = ({ call, body }: RecordedCall): boolean =>
  body === undefined && !(bareCalls as readonly string[]).includes(call);

async function play(call: RecordedCall): Promise<{ answer: unknown; handled: Handled[] }> {
  const handled: Handled[] = [];
  const app = createPluginApp({
    handlers: handlersThat(async (one) => {
      handled.push(one);
      return {};
    }),
    clock: systemClock,
    log: keptLog().log,
  });
  const body = call.body === undefined ? '' : JSON.stringify(call.body);
  const response = await app.request(`/${call.call}`, { method: 'POST', body });
  expect(response.status).toBe(200);
  return { answer: await response.json(), handled };
}

describe.each(scenarios.map((scenario) => [`${scenario.engine} ${scenario.name}`, scenario]))(
  '%s',
  (_title, scenario) => {
    test('each call reaches its handler once, except those that make no sense', async () => {
      for (const call of scenario.calls) {
        const { answer, handled } = await play(call);
        const text = JSON.stringify(answer);
        if (repeatedEmpty(call)) expect(text).toContain('REQUEST_EMPTY');
        else if (emptyPoolId(call)) expect(text).toContain('PoolID: is empty');
        else expect(answer).toEqual({});
        expect(handled.map((one) => one.call)).toEqual(text === '{}' ? [call.call] : []);
      }
    });
  },
);

test('the recordings hold every call but the one that only we know', () => {
  const recorded = new Set(calls.map((call) => call.call));
  expect(callNames.filter((name) => !recorded.has(name))).toEqual(['Plugin.Deactivate']);
});

test('they hold what is refused: repeated calls without content and empty pool ids', () => {
  expect(calls.filter(repeatedEmpty).length).toBeGreaterThan(10);
  expect(calls.filter(emptyPoolId).map((call) => call.call)).toContain('IpamDriver.RequestAddress');
});

test('what we read of a request survives', async () => {
  const create = calls.find(
    ({ call, body }) =>
      call === 'NetworkDriver.CreateNetwork' && /host1/.test(JSON.stringify(body)),
  );
  if (create === undefined) throw new Error('no recording has an auxiliary address');
  const { handled } = await play(create);
  expect(handled[0]?.request).toMatchObject({
    NetworkID: create.body?.['NetworkID'],
    Options: {
      'com.docker.network.generic': { x: expect.any(String) },
      'com.docker.network.internal': false,
    },
    IPv4Data: [{ AuxAddresses: { host1: expect.stringMatching(/^10\./) } }],
    IPv6Data: [],
  });
});
