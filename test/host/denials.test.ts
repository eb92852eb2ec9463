/** What the log says of what is denied: on paper, of what the flows tell the agent, against what `judge` says. */
import fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import { cookieKinds, cookieOf, meters, tables } from '../../lib/datapath/pipeline/fields.ts';
import type { Match } from '../../lib/datapath/openflow/codec/flow.ts';
import { denialIn, logDenials } from '../../lib/host/denials.ts';
import { KnownPolicies } from '../../lib/host/known-policies.ts';
import { formatAddress } from '../../lib/ip/ip.ts';
import { createLogs } from '../../lib/log.ts';
import { judge, type TenantPolicies } from '../../lib/policy/judge.ts';
import { groupNumbers } from '../policy/drawn-policies.ts';
import { tellPolicies } from '../policy/known-by-host.ts';
import type { Receipt } from '../datapath/pipeline/fabric.ts';
import { PolicedFabric, policed } from '../datapath/pipeline/policed-site.ts';
import {
  conversationOf,
  packetOf,
  policies,
  ruleOf,
  talk,
  type Talk,
} from '../datapath/pipeline/talks.ts';

const nameOf = (number: number | undefined): string =>
  Object.entries(groupNumbers).find(([, each]) => each === number)?.[0] ?? '';

/** The tenant as a host knows it, beside another. */
function worldOf(rules: TenantPolicies): KnownPolicies {
  const known = new KnownPolicies();
  const domain = policed + 1;
  const red = { number: 99, domain, policies: ['base'] };
  known.setGroup('red/web:99', red);
  known.setRule(`red/base/0:${domain}`, { ...ruleOf({ name: '0' }), domain });
  tellPolicies(known, { domain: policed, tenant: 'blue', nameOf }, rules);
  return known;
}

/** What a switch says of a packet: addresses of IPv6 are wide. */
function matchOf({ packet }: Receipt): Match {
  const told = Object.entries(packet.fields).filter(
    ([name, value]) => value !== 0n && /^(?:reg[0-9]|ct[A-Z])/.test(name),
  );
  return Object.fromEntries(
    told.map(([name, value]) => [name, name.startsWith('ctIpv6') ? value : Number(value)]),
  );
}

const told = (receipts: readonly Receipt[]): readonly Receipt[] =>
  receipts.filter(({ why }) => why === cookieKinds.denied);

function linesOf(rules: TenantPolicies, receipts: readonly Receipt[]) {
  return told(receipts).map((receipt) => {
    expect(receipt.by?.meters).toEqual([meters.denials]);
    const { cookie = 0n, table = 0 } = receipt.by ?? {};
    return denialIn({ cookie, table, match: matchOf(receipt) }, worldOf(rules));
  });
}

/** The lines that there should be: of each end that denies, until one stops it. */
function wantedLines(rules: TenantPolicies, said: Talk) {
  const conversation = conversationOf(said);
  const judged = judge(rules, conversation);
  const ends = (['out', 'in'] as const).map((direction) => ({ direction, ...judged[direction] }));
  const [out, into] = ends;
  const reached = out?.verdict === 'deny' ? [out] : [out, into];
  return reached
    .filter((end) => end !== undefined)
    .filter(({ verdict, isAudited }) => verdict === 'deny' || isAudited)
    .map(({ direction, rule, place, isAudited }) => ({
      tenant: 'blue',
      direction,
      from: formatAddress(conversation.client.address),
      fromGroup: nameOf(conversation.client.group),
      to: formatAddress(conversation.server.address),
      toGroup: nameOf(conversation.server.group),
      ...(isUnsaid(rules, said)
        ? { rule: '', default: '' }
        : {
            rule: rule === undefined ? '' : `${rule.policy}/${rule.name}`,
            default: place ?? '',
          }),
      audit: isAudited,
    }));
}

/** On paper conntrack is as in user space, where it knows no ports of SCTP. */
const isUnsaid = ({ rules }: TenantPolicies, { speech }: Talk): boolean =>
  speech.layer === 'sctp' &&
  rules.some(({ traffic }) => traffic.ports !== undefined && traffic.protocol?.v4 === 132);

describe('what is denied', () => {
  it('is told of at the end that denies it, with the rule that explain names', () => {
    const site = new PolicedFabric();
    const count = { denied: 0, audited: 0, none: 0 };
    fc.assert(
      fc.property(policies, fc.array(talk, { minLength: 8, maxLength: 8 }), (rules, talks) => {
        site.change(rules);
        for (const said of talks) {
          site.forget();
          const { from, packet } = packetOf(said, 'forth');
          const lines = linesOf(rules, site.fabric.send(from, packet));
          const wanted = wantedLines(rules, said);
          expect(lines).toMatchObject(wanted);
          expect(lines).toHaveLength(wanted.length);
          const { layer, port } = said.speech;
          for (const line of lines) {
            expect(line?.protocol).toBe(
              layer === 'sctp' || layer === undefined ? String(said.speech.protocol) : layer,
            );
            expect(line?.port).toBe(layer === 'tcp' || layer === 'udp' ? port : undefined);
          }
          const isAudited = lines.some((line) => line?.audit);
          count[lines.length === 0 ? 'none' : isAudited ? 'audited' : 'denied'] += 1;
        }
      }),
      { numRuns: 120 },
    );
    expect(Math.min(count.denied, count.audited, count.none)).toBeGreaterThan(10);
  });

  it('is one line of the log', () => {
    const lines: string[] = [];
    const { root } = createLogs({
      level: 'info',
      format: 'json',
      node: 'h',
      write: (line) => lines.push(line),
    });
    const rules: TenantPolicies = {
      rules: [ruleOf({ verdict: 'deny' })],
      groups: new Map([[11, ['base']]]),
    };
    const packet = {
      ...{ kind: 'packetIn', totalBytes: 60, reason: 1, data: new Uint8Array() },
      ...{ table: tables.inDenied, cookie: cookieOf('denied') },
      match: {
        ...{ reg5: policed, reg2: 12, reg3: 11, ctNwProto: 6, ctTpSrc: 4000, ctTpDst: 80 },
        ...{ ctNwSrc: 0x0a00_0101, ctNwDst: 0x0a00_0102 },
      },
    } as const;
    const connection = {
      onNews(listener: (news: typeof packet) => void) {
        listener(packet);
        // for something else
        listener({ ...packet, cookie: cookieOf('unreachable') });
        return () => undefined;
      },
    } as unknown as Parameters<typeof logDenials>[0];
    logDenials(connection, worldOf(rules), root.child({ part: 'denials' }));
    expect(lines.map((line) => JSON.parse(line) as object)).toMatchObject([
      {
        ...{ level: 'info', part: 'denials', msg: 'a conversation was denied', tenant: 'blue' },
        ...{ direction: 'in', from: '10.0.1.1', fromGroup: '', to: '10.0.1.2', toGroup: 'web' },
        ...{ protocol: 'tcp', port: 80, rule: 'base/1', default: '', audit: false },
      },
    ]);
  });
});
