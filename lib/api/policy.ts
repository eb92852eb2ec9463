/** Policies in our own API besides their objects: what the rules say of a conversation. */
import { Hono } from 'hono';
import { FairleadError } from '../errors.ts';
import type { SiteObjects } from '../host/site-objects.ts';
import { ipProtocolMax } from '../limits.ts';
import type { Logger } from '../log.ts';
import { icmpQuestions, icmpTypeNames } from '../model/objects/icmp-types.ts';
import { defaultTenant } from '../model/site.ts';
import type { PolicyQuestion } from '../network/objects/explain.ts';
import { readFreshness } from './contiv/request.ts';
import { namedProtocols } from '../policy/compile.ts';
import { jsonAnswer, refused } from './objects/answers.ts';
import { readQuery, wrong, type Query } from './objects/query.ts';
import { requestGuard } from './request-guard.ts';

const named = new Map([
  ...Object.entries(namedProtocols),
  // rules say its number
  ['sctp', { v4: 132, v6: 132 }],
]);
const withPorts: ReadonlySet<number> = new Set([6, 17, 132]);

/** The route `/v1/policy/explain`. `base` goes into every answer. */
export function policyRoutes(
  { log, objects }: { readonly log: Logger; readonly objects: () => Promise<SiteObjects> },
  base: object,
): Hono {
  const app = new Hono();
  const guarded = requestGuard(log, refused);
  app.get('/explain', ({ req: { raw } }) =>
    guarded(raw, async () => {
      const url = new URL(raw.url);
      const known = ['tenant', 'from', 'to', 'protocol', 'port', 'icmpType', 'consistency'];
      const question = readQuestion(readQuery(url, known));
      const explained = await (await objects()).explain(question, readFreshness(url));
      return jsonAnswer({ ...base, ...explained });
    }),
  );
  return app;
}

function readQuestion(query: Query): PolicyQuestion {
  const text = (name: string): string => {
    const value = query.get(name) ?? '';
    if (value === '') throw wrong(`${name} is not given`);
    return value;
  };
  const protocol = readProtocol(query.get('protocol') ?? 'tcp');
  const port = readPort(query.get('port'));
  if (withPorts.has(protocol.v4) && port === 0) throw wrong('port is a number from 1 to 65535');
  if (!withPorts.has(protocol.v4) && port !== 0) throw wrong('port is for tcp, udp and sctp');
  const tenant = query.get('tenant') ?? defaultTenant;
  const icmpTypes = readIcmpType(protocol, query.get('icmpType'));
  return { tenant, from: text('from'), to: text('to'), protocol, port, icmpTypes };
}

function readProtocol(text: string): PolicyQuestion['protocol'] {
  const known = named.get(text);
  if (known !== undefined) return known;
  const number = /^[1-9][0-9]{0,2}$/.test(text) ? Number(text) : Number.NaN;
  if (number <= ipProtocolMax) return { v4: number, v6: number };
  throw new FairleadError(
    'REQUEST_INVALID',
    `protocol is ${[...named.keys()].join(', ')} or a number from 1 to ${ipProtocolMax}`,
  );
}

/** A question about ICMP is one about ping, unless it says what else is asked. */
function readIcmpType(
  { v4, v6 }: PolicyQuestion['protocol'],
  text: string | undefined,
): PolicyQuestion['icmpTypes'] {
  if (v4 === 1 || v6 === 58) {
    const types = icmpQuestions[text ?? 'echo'];
    if (types !== undefined) return types;
    throw wrong(`icmpType is ${icmpTypeNames.join(', ')}`);
  }
  if (text === undefined) return undefined;
  throw wrong('icmpType is for icmp');
}

function readPort(text = '0'): number {
  const port = /^(?:0|[1-9][0-9]{0,4})$/.test(text) ? Number(text) : Number.NaN;
  if (port <= 65_535) return port;
  throw wrong('port is a number from 1 to 65535');
}
