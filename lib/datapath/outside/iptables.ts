/**
 * Our rules in iptables(8) and ip6tables(8): chains of our own, which are replaced as a whole, and one jump to
 * each. The jump stands behind that to DOCKER-USER, where operators say what no container may, and before
 * everything else.
 */
import type { IpFamily } from '../../ip/ip.ts';
import { filterError, type FilterOutcome, type PacketFilter } from './filter.ts';
import { iptablesRule, type FilterRules } from './rules.ts';
import type { RunProgram } from './run-program.ts';

/** One of our chains, with where it is jumped to from. */
interface OwnChain {
  readonly table: 'filter' | 'nat';
  readonly name: string;
  readonly from: string;
}

const forwardChain: OwnChain = { table: 'filter', name: 'FAIRLEAD-FORWARD', from: 'FORWARD' };
const leaveChain: OwnChain = { table: 'nat', name: 'FAIRLEAD-POSTROUTING', from: 'POSTROUTING' };
const enterChain: OwnChain = { table: 'nat', name: 'FAIRLEAD-PREROUTING', from: 'PREROUTING' };
const callChain: OwnChain = { table: 'nat', name: 'FAIRLEAD-OUTPUT', from: 'OUTPUT' };
const ownChains = [forwardChain, leaveChain, enterChain, callChain];
/** Operators' own chain, which Docker calls first. */
const userChain = 'DOCKER-USER';
const comment = 'fairlead';
const programOf = { 4: 'iptables', 6: 'ip6tables' } as const;

const jumpTo = ({ name }: OwnChain): string => `-m comment --comment ${comment} -j ${name}`;

/** iptables. */
export class IptablesFilter implements PacketFilter {
  readonly #run: RunProgram;
  /** How chains were listed when they were right, since versions print in their own ways. */
  readonly #right = new Map<string, string>();
  /** Chains, by family and name, that are known not to be there: nobody else makes them. */
  readonly #absent = new Set<string>();

  constructor(run: RunProgram) {
    this.#run = run;
  }

  /** As `PacketFilter` says. */
  async ensure(family: IpFamily, rules: FilterRules): Promise<FilterOutcome> {
    if ((await this.#run([programOf[family], '--version'])) === undefined) return 'absent';
    let isChanged = false;
    for (const [chain, list] of [
      [forwardChain, rules.forward],
      [leaveChain, rules.leave],
      [enterChain, rules.enter],
      [callChain, rules.call],
    ] as const) {
      if (list.length === 0) {
        await this.#removeChain(family, chain);
        continue;
      }
      const lines = list.map((rule) => `-A ${chain.name} ${iptablesRule(rule)}`);
      const filled = await this.#fill(family, chain, lines);
      const called = await this.#call(family, chain);
      isChanged ||= filled || called;
    }
    return isChanged ? 'changed' : 'right';
  }

  /** As `PacketFilter` says. */
  async remove(family: IpFamily): Promise<void> {
    this.#absent.clear();
    for (const chain of ownChains) await this.#removeChain(family, chain);
    this.#right.clear();
  }

  async #removeChain(family: IpFamily, chain: OwnChain): Promise<void> {
    const key = `${family} ${chain.name}`;
    if (this.#absent.has(key)) return;
    if ((await this.#list(family, chain.table, chain.name)) !== undefined) {
      for (const jump of (await this.#jumps(family, chain)).toReversed()) {
        await this.#do(family, chain.table, ['-D', chain.from, String(jump)]);
      }
      await this.#do(family, chain.table, ['-F', chain.name]);
      await this.#do(family, chain.table, ['-X', chain.name]);
    }
    this.#absent.add(key);
  }

  /** Fills a chain at once, if it is not as it should be. */
  async #fill(family: IpFamily, { table, name }: OwnChain, lines: readonly string[]) {
    this.#absent.delete(`${family} ${name}`);
    const wanted = [`-N ${name}`, ...lines].join('\n');
    const key = `${family} ${name} ${wanted}`;
    const before = await this.#list(family, table, name);
    if (before !== undefined && (before === wanted || before === this.#right.get(key))) {
      return false;
    }
    const input = `*${table}\n:${name} - [0:0]\n${lines.join('\n')}\nCOMMIT\n`;
    const program = `${programOf[family]}-restore`;
    const end = await this.#run([program, '-w', '--noflush'], input);
    if (end?.code !== 0) throw filterError(`${program} refused our rules`, end);
    const after = await this.#list(family, table, name);
    if (after !== undefined) this.#right.set(key, after);
    return true;
  }

  /** Makes one jump to a chain, where it belongs. */
  async #call(family: IpFamily, chain: OwnChain): Promise<boolean> {
    const jumps = await this.#jumps(family, chain);
    for (const extra of jumps.slice(1).toReversed()) {
      await this.#do(family, chain.table, ['-D', chain.from, String(extra)]);
    }
    if (jumps.length > 0) return jumps.length > 1;
    const rules = await this.#rules(family, chain);
    const behind = rules.findIndex((rule) => rule.endsWith(` -j ${userChain}`));
    const place = ['-I', chain.from, String(behind + 2)];
    await this.#do(family, chain.table, [...place, ...jumpTo(chain).split(' ')]);
    return true;
  }

  /** Numbers of the rules that jump to a chain of ours. */
  async #jumps(family: IpFamily, chain: OwnChain): Promise<readonly number[]> {
    const rules = await this.#rules(family, chain);
    return rules.flatMap((rule, at) => (rule.endsWith(` -j ${chain.name}`) ? [at + 1] : []));
  }

  /** The rules of the chain that ours is jumped to from. */
  async #rules(family: IpFamily, { table, from }: OwnChain): Promise<readonly string[]> {
    const text = (await this.#list(family, table, from)) ?? '';
    return text.split('\n').filter((line) => line.startsWith('-A '));
  }

  async #list(family: IpFamily, table: string, chain: string): Promise<string | undefined> {
    const end = await this.#run([programOf[family], '-w', '-t', table, '-S', chain]);
    return end?.code === 0 ? end.stdout.trim() : undefined;
  }

  async #do(family: IpFamily, table: string, words: readonly string[]): Promise<void> {
    const program = programOf[family];
    const end = await this.#run([program, '-w', '-t', table, ...words]);
    if (end?.code !== 0) throw filterError(`${program} ${words.join(' ')}`, end);
  }
}
