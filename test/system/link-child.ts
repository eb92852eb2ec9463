/**
 * Runs `lib/datapath/link` for the test that started it, in whatever runtime and network namespace it
 * was started: one JSON line in (method, arguments), one out (value, or error).
 */
import { createInterface } from 'node:readline';
import { unreachable } from '../../lib/assert.ts';
import { asFairleadError } from '../../lib/errors.ts';
import {
  openLinks,
  type LinkEvent,
  type NicSettings,
  type VethRequest,
} from '../../lib/datapath/link/links.ts';

type Call =
  | { readonly method: 'list' | 'addresses' | 'routes' | 'watch' | 'events' | 'close' }
  | { readonly method: 'get' | 'transmitChecksum' | 'nic'; readonly name: string }
  | {
      readonly method: 'setNic';
      readonly name: string;
      readonly wanted: Partial<NicSettings>;
    }
  | { readonly method: 'connected' }
  | { readonly method: 'create'; readonly request: VethRequest }
  | { readonly method: 'createMany'; readonly requests: readonly VethRequest[] }
  | { readonly method: 'remove'; readonly name: string; readonly alias: string }
  | {
      readonly method: 'configure';
      readonly name: string;
      readonly alias: string;
      readonly mtu: number;
    }
  | { readonly method: 'stallDuring'; readonly names: readonly string[]; readonly alias: string };

const links = await openLinks();
const events: LinkEvent[] = [];

for await (const line of createInterface({ input: process.stdin })) {
  let answer: unknown;
  try {
    answer = { value: (await run(JSON.parse(line) as Call)) ?? null };
  } catch (thrown) {
    const { code, message, detail } = asFairleadError(thrown);
    answer = { error: { code, message, detail } };
  }
  process.stdout.write(`${JSON.stringify(answer)}\n`);
}

async function run(call: Call): Promise<unknown> {
  switch (call.method) {
    case 'list':
      return links.list();
    case 'addresses':
      return links.addresses();
    case 'routes':
      return links.routes();
    case 'get':
      return links.get(call.name);
    case 'transmitChecksum':
      return links.transmitChecksum(call.name);
    case 'nic':
      return links.nic(call.name);
    case 'setNic':
      return links.setNic(call.name, call.wanted);
    case 'connected':
      return [...(await links.connectedAddresses())];
    case 'create':
      return links.createVeth(call.request);
    case 'createMany':
      return Promise.all(call.requests.map((request) => links.createVeth(request)));
    case 'remove':
      return links.remove(call.name, call.alias);
    case 'configure':
      return links.configure(call.name, call.alias, call.mtu);
    case 'stallDuring':
      return stallDuring(call.names, call.alias);
    case 'watch':
      links.watch((event) => events.push(event));
      return undefined;
    case 'events':
      return events.splice(0);
    case 'close':
      return links.close();
    default:
      return unreachable(call);
  }
}

/** Turns of the event loop taken while links are removed one after another, and the time it took. */
async function stallDuring(names: readonly string[], alias: string): Promise<unknown> {
  let turns = 0;
  const timer = setInterval(() => turns++, 1);
  const startMs = performance.now();
  for (const name of names) await links.remove(name, alias);
  clearInterval(timer);
  return { turns, ms: performance.now() - startMs };
}
