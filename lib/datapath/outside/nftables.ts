/** Our rules in nft(8), for hosts without iptables: one table of our own for each family, replaced at once. */
import type { IpFamily } from '../../ip/ip.ts';
import { filterError, type FilterOutcome, type PacketFilter } from './filter.ts';
import { nftRule, type FilterRule, type FilterRules } from './rules.ts';
import type { RunProgram } from './run-program.ts';

const tableName = 'fairlead';
const familyName = { 4: 'ip', 6: 'ip6' } as const;

/** nftables. */
export class NftablesFilter implements PacketFilter {
  readonly #run: RunProgram;
  /** How a table was listed when it was right. */
  readonly #right = new Map<string, string>();

  constructor(run: RunProgram) {
    this.#run = run;
  }

  /** As `PacketFilter` says. */
  async ensure(family: IpFamily, rules: FilterRules): Promise<FilterOutcome> {
    const name = `${familyName[family]} ${tableName}`;
    const wanted = tableOf(name, family, rules);
    const before = await this.#list(name);
    if (before === 'absent') return 'absent';
    if (before !== undefined && before === this.#right.get(wanted)) return 'right';
    // added before it is deleted, so that there is something to delete
    const input = `table ${name} {}\ndelete table ${name}\n${wanted}`;
    const end = await this.#run(['nft', '-f', '-'], input);
    if (end?.code !== 0) throw filterError('nft refused our rules', end);
    const after = await this.#list(name);
    if (after !== undefined) this.#right.set(wanted, after);
    return 'changed';
  }

  /** As `PacketFilter` says. */
  async remove(family: IpFamily): Promise<void> {
    const name = `${familyName[family]} ${tableName}`;
    const before = await this.#list(name);
    if (before === undefined || before === 'absent') return;
    const end = await this.#run(['nft', 'delete', 'table', ...name.split(' ')]);
    if (end?.code !== 0) throw filterError(`nft delete table ${name}`, end);
    this.#right.clear();
  }

  /** The table as it is; undefined when it is not there, `absent` when nft is not. */
  async #list(name: string): Promise<string | undefined> {
    const end = await this.#run(['nft', '--stateless', 'list', 'table', ...name.split(' ')]);
    if (end === undefined) return 'absent';
    return end.code === 0 ? end.stdout : undefined;
  }
}

function tableOf(
  name: string,
  family: IpFamily,
  { forward, leave, enter, call }: FilterRules,
): string {
  const body = (rules: readonly FilterRule[]) =>
    rules.map((rule) => `    ${nftRule(rule, family)}\n`).join('');
  const chain = (own: string, hook: string, rules: readonly FilterRule[]) =>
    rules.length === 0
      ? ''
      : `  chain ${own} {\n    type ${hook}; policy accept;\n${body(rules)}  }\n`;
  const chains = [
    chain('forward', 'filter hook forward priority 0', forward),
    chain('leave', 'nat hook postrouting priority 100', leave),
    chain('enter', 'nat hook prerouting priority -100', enter),
    chain('call', 'nat hook output priority -100', call),
  ];
  return `table ${name} {\n${chains.join('')}}\n`;
}
