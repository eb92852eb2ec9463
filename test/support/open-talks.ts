/** The conversations of a test of what becomes of them, and who has them. */
import type { MachineWish } from '../lab/site/plan.ts';
import { serveTcp } from '../lab/traffic/tcp.ts';
import { listenUdp } from '../lab/traffic/udp.ts';
import type { LabSite } from './lab-site.ts';
import { OpenTalk } from './open-talk.ts';
import type { PolicySite } from './policy-site.ts';
import type { Talk } from './policy-words.ts';
import { slowness } from './slowness.ts';

/** The port of who sends back what comes by TCP. */
export const echo = 443;

/** Between the first two hosts: on one and across, bridged and routed, either family, TCP, UDP and ICMP. */
export const talks: readonly Talk[] = [
  { client: 'front1', server: 'back2', family: 6, protocol: 'tcp', port: echo },
  { client: 'front1', server: 'back5', family: 4, protocol: 'tcp', port: echo },
  { client: 'front1', server: 'data2', family: 6, protocol: 'tcp', port: echo },
  { client: 'front4', server: 'data1', family: 4, protocol: 'udp', port: 80 },
  { client: 'front4', server: 'back2', family: 6, protocol: 'udp', port: 80 },
  { client: 'front1', server: 'back5', family: 6, protocol: 'icmp', port: 0 },
  { client: 'front4', server: 'back2', family: 4, protocol: 'icmp', port: 0 },
];

const stillAddress = (number: 1 | 2): string => `198.19.7.${number}`;
/** Two machines at a switch that no agent knows: when they are silent, it is this machine that stands still. */
export const stillMachines: MachineWish[] = ([1, 2] as const).map((number) => ({
  name: `still${number}`,
  links: [{ vlan: 77, addresses: [`${stillAddress(number)}/24`] }],
}));
const stillPort = 80;

/** What goes on is never silent for so much longer: TCP that loses a packet sends it again after 200 ms. */
const silenceMostMs = 400 * slowness;
/** What ends does it sooner, with the time that a machine needs to look. */
const endMostMs = 400;

/** Those of one test at a time. */
export class OpenTalks {
  readonly #lab: LabSite;
  #open: OpenTalk[] = [];
  #still: OpenTalk | undefined;
  #silentMs = 0;
  #stillMs = 0;

  /** In a lab that has {@link stillMachines}. */
  constructor(lab: LabSite) {
    this.#lab = lab;
  }

  /** Has those who are spoken to answer. */
  async serve(site: PolicySite): Promise<void> {
    await listenUdp(this.#lab.site.machine('still2'), { port: stillPort, echo: true });
    for (const name of ['back2', 'back5', 'data2', 'back6'] as const) {
      await serveTcp(site.at(name), { port: echo, mode: 'echo' });
    }
  }

  /** The longest silence of all that went on, in words. */
  get told(): string {
    return `at most ${this.#silentMs} ms of silence in what went on, ${this.#stillMs} ms where nobody is\n`;
  }

  /** Opens these at a site. */
  open(site: PolicySite, those: readonly Talk[] = talks): Promise<readonly OpenTalk[]> {
    return this.add(those.map((talk) => () => OpenTalk.open(site, talk)));
  }

  /** Opens these, too. Their silence counts from when all of them go. */
  async add(those: readonly (() => Promise<OpenTalk>)[]): Promise<readonly OpenTalk[]> {
    // first, so that it was there whenever another was silent
    this.#still ??= await OpenTalk.with(this.#lab.site.machine('still1'), {
      ...{ to: stillAddress(2), protocol: 'udp', port: stillPort, what: 'machines' },
    });
    const opening = those.map(async (begin) => {
      const each = await begin();
      this.#open.push(each);
      return each;
    });
    // when one fails the others are there to be closed
    await Promise.allSettled(opening);
    const all = await Promise.all(opening);
    await Promise.all(all.map((each) => each.countsAnew()));
    return all;
  }

  /**
   * Resolves when these have gone on, or all.
   * @throws {Error} with the silences of each when one was too long since they were last seen to
   */
  async goOn(those: readonly OpenTalk[] = this.#open): Promise<void> {
    const all = await Promise.all(those.map((each) => each.silence()));
    const stillMs = (await this.#still?.longestSilence()) ?? 0;
    const longestMs = Math.max(0, ...all);
    this.#silentMs = Math.max(this.#silentMs, longestMs);
    this.#stillMs = Math.max(this.#stillMs, stillMs);
    if (longestMs <= silenceMostMs + stillMs) return;
    const each = those.map(({ what }, at) => `${what} ${all[at]} ms`);
    throw new Error(
      `silent for more than ${silenceMostMs} ms, and ${stillMs} in which all stood still: ${each.join(', ')}`,
    );
  }

  /**
   * Resolves when these have ended, or all.
   * @throws {Error} when that took too long from now on
   */
  async end(those: readonly OpenTalk[] = this.#open, withinMs = endMostMs): Promise<void> {
    const all = await Promise.all(those.map((each) => each.ends()));
    if (Math.max(0, ...all) < withinMs * slowness) return;
    const each = those.map(({ what }, at) => `${what} ${all[at]} ms`);
    throw new Error(`ended later than after ${withinMs * slowness} ms: ${each.join(', ')}`);
  }

  /** Resolves when these go again, or all, however long they were silent. */
  async resume(those: readonly OpenTalk[] = this.#open): Promise<void> {
    await Promise.all(those.map((each) => each.resumes()));
  }

  /** Closes all. */
  async close(): Promise<void> {
    const all = [...this.#open, ...(this.#still ? [this.#still] : [])];
    this.#open = [];
    this.#still = undefined;
    await Promise.all(all.map((each) => each.close()));
  }
}
