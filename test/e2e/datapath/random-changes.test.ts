/**
 * Thousands of changes of a site, drawn from a seed, on real Open vSwitches. After each, what a bridge has is what
 * is computed afresh; what is traced through it is what a dumb model of who may talk to whom says; now and then
 * packets are really sent, and things are changed by hand.
 *
 *     FAIRLEAD_SEED=7 FAIRLEAD_CHANGES=300 npx vitest run --project datapath test/e2e/datapath/random-changes.test.ts
 */
import { randomBytes } from 'node:crypto';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { labOfSite } from '../../support/lab-site.ts';
import { until } from '../../support/until.ts';
import { Random } from '../../sim/random.ts';
import { ChangeSource } from './random/drawn-changes.ts';
import { meddle, meddleQuietly } from './random/drift.ts';
import { describeAsked, drawQuestion, type Asked } from './random/questions.ts';
import { heardBy } from './random/real-packets.ts';
import { actualOf, differences, freshOf, Rig, type RigHost } from './random/rig.ts';
import { tracedHearers, tunnelPortOf } from './random/traced.ts';
import { whoHears } from './random/who-hears.ts';
import { emptyWorld, type World } from './random/world.ts';

const seed = BigInt(process.env['FAIRLEAD_SEED'] ?? `0x${randomBytes(4).toString('hex')}`);
const changes = Number(process.env['FAIRLEAD_CHANGES'] ?? 2_000);
const tracesPerChange = 2;
const changesPerMeddling = 12;
const changesPerSending = 40;
const sentAtOnce = 8;
const settleMs = 15_000;
/** Longer than the slow look takes to come round. */
const slowMs = 120_000;

const lab = labOfSite(3, { docker: false });
let rig: Rig;

beforeAll(async () => {
  process.stdout.write(`FAIRLEAD_SEED=${seed} FAIRLEAD_CHANGES=${changes}\n`);
  rig = await Rig.start(lab.hosts);
}, 120_000);
afterAll(() => rig.close());

const names = (): readonly string[] => lab.hosts.map(({ name }) => name);

/** Waits until every bridge is what it should be; what is wrong stands in the error. */
async function settled(timeoutMs = settleMs): Promise<void> {
  await Promise.all(rig.hosts.map((host) => settledOn(host, timeoutMs)));
}

async function settledOn(host: RigHost, timeoutMs: number): Promise<void> {
  await until(
    `the flows of ${host.host.name}`,
    async () => {
      const { texts, needsTunnel } = await freshOf(host);
      const wrong = differences(await actualOf(host), texts);
      if (wrong.length > 0)
        throw new Error(`${wrong.length} differ: ${wrong.slice(0, 5).join('; ')}`);
      return !needsTunnel || tunnelPortOf(host) > 0;
    },
    { timeoutMs, everyMs: 5 },
  );
}

function draw(random: Random, world: World, count: number): readonly Asked[] {
  return Array.from({ length: count }, () => drawQuestion(random, world, names())).filter(
    (asked) => asked !== undefined,
  );
}

async function judgeTraces(world: World, asked: readonly Asked[]): Promise<void> {
  for (const each of asked) {
    const { hearers, texts } = await tracedHearers(rig, world, each);
    const what = `${describeAsked(each)}\n${texts.join('\n')}`;
    expect(hearers, what).toEqual(whoHears(world, each.from, each.question));
  }
}

async function judgePackets(world: World, asked: readonly Asked[]): Promise<void> {
  // one question of a kind at a time: a capture tells them apart by addresses
  const neighbours = asked.filter(({ question }) => question.kind === 'neighbour').slice(0, 1);
  const others = asked.filter(({ question }) => question.kind !== 'neighbour');
  for (const { asked: each, expected, actual } of await heardBy(rig, world, [
    ...others,
    ...neighbours,
  ])) {
    expect(actual, `really sent: ${describeAsked(each)}`).toEqual(expected);
  }
}

/** Changes something by hand, waits until it is right again, and sees it counted. */
async function judgeMeddling(random: Random): Promise<string> {
  const host = random.pick(rig.hosts);
  const before = host.switching.facts();
  const { what, counted } = await meddle(host, random);
  await until(
    `${what} is put right and counted`,
    () => host.switching.facts()[counted].repaired > before[counted].repaired,
    { timeoutMs: settleMs, everyMs: 5 },
  );
  await settled();
  return what;
}

describe('a site that changes', () => {
  it('has on every bridge what it should, and everybody hears what he should, after each change', async () => {
    const real = new Map(
      lab.hosts.map((host, at) => [
        host.name,
        { number: at + 1, vtep: host.address, pathMtu: 1_500 },
      ]),
    );
    const random = new Random(seed, 1);
    const source = new ChangeSource(new Random(seed, 2), { real, ghosts: ['g1', 'g2', 'g3'] });
    let world = emptyWorld(real);
    const counts = { traces: 0, packets: 0, meddlings: 0 };
    const history: string[] = [];
    try {
      for (let number = 1; number <= changes; number += 1) {
        const change = source.next(world);
        history.push(`${number}: ${change.what}`);
        ({ world } = change);
        await rig.become(world);
        await settled();
        const asked = draw(random, world, tracesPerChange);
        await judgeTraces(world, asked);
        counts.traces += asked.length;
        if (number % changesPerMeddling === 0) {
          history.push(await judgeMeddling(random));
          counts.meddlings += 1;
        }
        if (number % changesPerSending === 0) {
          const sent = draw(random, world, sentAtOnce);
          await judgePackets(world, sent);
          counts.packets += sent.length;
        }
      }
    } catch (thrown) {
      process.stdout.write(
        `${history.slice(-15).join('\n')}\n${JSON.stringify([...world.networks.values(), ...world.endpoints.values()])}\n`,
      );
      throw new Error(`FAIRLEAD_SEED=${seed}: after change ${history.length}`, { cause: thrown });
    }
    process.stdout.write(`${JSON.stringify({ seed: String(seed), changes, ...counts })}\n`);
  }, 3_600_000);

  it('is looked at now and then, for what Open vSwitch tells nobody', async () => {
    const host = rig.host('h1');
    const before = host.switching.facts();
    await meddleQuietly(host);
    await until(
      'the strange group and meter are gone',
      async () => {
        const { flows } = host.switching.facts();
        return flows.repaired >= before.flows.repaired + 2;
      },
      { timeoutMs: slowMs, everyMs: 500 },
    );
    await settled();
  }, 180_000);
});
