/** `fairlead ipam check`: what it asks, prints and exits with. */
import { expect, it } from 'vitest';
import type { AddressCheck } from '../../lib/host/ipam-check.ts';
import { apiStandIn } from './api-stand-in.ts';
import { run } from './terminal.ts';

const agreeing: AddressCheck = {
  host: 'edge-1',
  networks: 2,
  addresses: 5,
  endpoints: 3,
  differences: [],
  unseen: [],
};
const differing: AddressCheck = {
  ...agreeing,
  differences: [
    {
      kind: 'ENDPOINT_NOT_OWNER',
      network: 'default:blue',
      address: '10.1.0.2',
      what: 'endpoint abc has 10.1.0.2 and is not noted as its owner',
      fix: 'start the container again: docker restart CONTAINER',
    },
    {
      kind: 'PORT_LEFT',
      network: '',
      address: '',
      what: 'port fh-1 is for nobody',
      fix: 'wait',
    },
  ],
};

let answer: AddressCheck;
const api = apiStandIn(() => answer);
const check = (...args: string[]) =>
  run(['ipam', 'check', ...args, '--run-dir', api.folder], { environment: {} });

it('says that all agree, and exits with 0', async () => {
  answer = agreeing;
  expect(await check()).toMatchObject({
    exitCode: 0,
    out: 'all agree: 2 networks, 5 addresses held, 3 endpoints, seen from host edge-1\n',
  });
  expect(api.asked).toEqual(['GET /v1/ipam/check']);
});

it('lists what differs, with what to do about each kind, and exits with 1', async () => {
  answer = differing;
  const { exitCode, out } = await check();
  expect(exitCode).toBe(1);
  expect(out).toMatch(
    /^NETWORK +ADDRESS +KIND +WHAT\ndefault:blue +10\.1\.0\.2 +ENDPOINT_NOT_OWNER +endpoint abc/,
  );
  expect(out).toMatch(/^- +- +PORT_LEFT +port fh-1 is for nobody$/m);
  expect(out).toContain('fix: ENDPOINT_NOT_OWNER: start the container again');
  expect(out).toContain('2 differences: 2 networks');
  const json = await check('-o', 'json');
  expect(json).toMatchObject({ exitCode: 1, out: `${JSON.stringify(differing)}\n` });
});

it('names what could not be looked at, and exits with 1', async () => {
  answer = { ...agreeing, unseen: ['Docker: nobody answers (DOCKER_DOWN)'] };
  const { exitCode, out } = await check();
  expect(exitCode).toBe(1);
  expect(out).toMatch(
    /^no difference in what could be looked at: .*\nnot looked at: Docker: nobody answers/,
  );
});
