/**
 * Policies drawn from a seed, on three hosts: of drawn talks a plain reading of the texts, `explain`, `ofproto/trace` and
 * real packets say the same, and flows are as many as groups and rules come to.
 */
import { randomBytes } from 'node:crypto';
import { beforeAll, expect, it } from 'vitest';
import { tables } from '../../../lib/datapath/pipeline/fields.ts';
import type { LabHost } from '../../lab/host.ts';
import { labOfSite } from '../../support/lab-site.ts';
import { PolicySite } from '../../support/policy-site.ts';
import { textOf } from '../../support/policy-words.ts';
import { Random } from '../../sim/random.ts';
import { until } from '../../support/until.ts';
import { drawPolicies, drawTalk } from './drawn-sets.ts';
import { PolicyTraces } from './policy-traces.ts';

const seed = BigInt(process.env['FAIRLEAD_SEED'] ?? `0x${randomBytes(4).toString('hex')}`);
const sets = Number(process.env['FAIRLEAD_SETS'] ?? 1_000);
/** Of one set. */
const talksDrawn = 24;
/** A set takes some seconds: what is denied is waited for. */
const setMs = 30_000;

const lab = labOfSite(3);
let site: PolicySite;

beforeAll(async () => {
  process.stdout.write(`FAIRLEAD_SEED=${seed} FAIRLEAD_SETS=${sets}\n`);
  site = await PolicySite.open(lab);
}, 240_000);

it(
  'what is read, what is explained, what switches say and what packets do is the same',
  async () => {
    const traces = new PolicyTraces(site);
    const count = { allowed: 0, denied: 0, rules: 0 };
    for (let number = 0; number < sets; number += 1) {
      const random = new Random(seed, number);
      const policies = drawPolicies(random);
      const talks = Array.from({ length: talksDrawn }, () => drawTalk(random));
      const unique = [...new Map(talks.map((talk) => [textOf(talk), talk])).values()];
      await site.write(policies);
      const what = `FAIRLEAD_SEED=${seed}, set ${number}: ${JSON.stringify(policies)}`;
      expect(await site.misexplained(unique), what).toEqual([]);
      expect(await site.wrong(unique), what).toEqual([]);
      expect(await traces.wrong(unique), what).toEqual([]);
      for (const talk of unique) count[site.isAllowed(talk) ? 'allowed' : 'denied'] += 1;
      count.rules += Object.values(policies.rules).flat().length;
    }
    process.stdout.write(`${JSON.stringify({ seed: String(seed), sets, ...count })}\n`);
    expect(Math.min(count.allowed, count.denied)).toBeGreaterThan(sets);
  },
  sets * setMs,
);

it.each([
  { ruleCount: 10, groups: ['back'] },
  { ruleCount: 60, groups: ['back'] },
  { ruleCount: 60, groups: ['front', 'back', 'data'] },
])(
  'flows are as many as groups and rules: $ruleCount rules of $groups',
  async ({ ruleCount, groups }) => {
    const ports = Array.from({ length: ruleCount }, (_each, at) => at + 1_000);
    const p = ports.map((port) => ({ protocol: 'tcp', port }));
    await site.write({
      has: Object.fromEntries(groups.map((group) => [group, ['p']])),
      rules: { p },
    });
    // both families of each rule, one for each group, and what becomes of it
    const wanted = 2 * ruleCount + groups.length + 1;
    for (const host of lab.hosts) {
      await until(
        `${host.name} has ${wanted} flows`,
        async () => (await ruleFlows(host)) === wanted,
      );
    }
  },
);

/** How many flows of rules `in` a host has; those of all tenants are above them. */
async function ruleFlows(host: LabHost): Promise<number> {
  const words = ['dump-flows', 'br-fairlead', `table=${tables.policyIn}`];
  const { stdout } = await host.ovsOfctl(words);
  const priorities = [...stdout.matchAll(/priority=([0-9]+)/g)].map(([, text]) => Number(text));
  return priorities.filter((priority) => priority >= 1_000 && priority < 60_000).length;
}
