/** An iptables on paper: as much of it as is used, with what others have in it. */
import type { ProgramEnd, RunProgram } from '../../../lib/datapath/outside/run-program.ts';

const done = (stdout = ''): ProgramEnd => ({ code: 0, stdout, stderr: '' });
const refused = (stderr: string): ProgramEnd => ({ code: 1, stdout: '', stderr });

/** Chains by `program table chain`, rules as `-S` prints them without the chain. */
export class PaperIptables {
  readonly chains = new Map<string, string[]>();
  /** What was run, without questions. */
  readonly changes: string[] = [];
  /** Programs that there are. */
  readonly programs = new Set(['iptables', 'ip6tables', 'iptables-restore', 'ip6tables-restore']);

  constructor() {
    for (const program of ['iptables', 'ip6tables']) {
      const places = ['filter FORWARD', 'nat POSTROUTING', 'nat PREROUTING', 'nat OUTPUT'];
      for (const place of places) {
        this.chains.set(`${program} ${place}`, []);
      }
    }
  }

  /** What is in it, without chains that are empty and built in. */
  get content(): readonly string[] {
    return [...this.chains].flatMap(([chain, rules]) => rules.map((rule) => `${chain}: ${rule}`));
  }

  readonly run: RunProgram = async ([file, ...args], input) => {
    if (!this.programs.has(file)) return undefined;
    const words = args.filter((word) => word !== '-w');
    if (words[0] === '--version') return done('iptables v1.8.9');
    if (file.endsWith('-restore')) return this.#restore(file.replace('-restore', ''), input ?? '');
    const [, table = '', command = '', chain = '', ...rest] = words;
    if (command !== '-S') this.changes.push([file, ...words].join(' '));
    return this.#do({ key: `${file} ${table} ${chain}`, chain, command, rest });
  };

  #do(asked: { key: string; chain: string; command: string; rest: readonly string[] }): ProgramEnd {
    const { key, chain, command, rest } = asked;
    const rules = this.chains.get(key);
    if (rules === undefined) return refused(`No chain/target/match by that name: ${key}`);
    const at = Number(rest[0]) - 1;
    switch (command) {
      case '-S': {
        const head = /^[A-Z]+$/.test(chain) ? `-P ${chain} ACCEPT` : `-N ${chain}`;
        return done(`${[head, ...rules.map((rule) => `-A ${chain} ${rule}`)].join('\n')}\n`);
      }
      case '-I':
        if (at > rules.length) return refused('Index of insertion too big');
        rules.splice(at, 0, rest.slice(1).join(' '));
        return done();
      case '-D':
        if (rules.splice(at, 1).length === 0) return refused('Index of deletion too big');
        return done();
      case '-F':
        rules.length = 0;
        return done();
      case '-X':
        if (rules.length > 0 || this.#isCalled(key, chain)) {
          return refused('CHAIN_USER_DEL failed (Device or resource busy)');
        }
        this.chains.delete(key);
        return done();
      default:
        return refused(`no ${command} on paper`);
    }
  }

  #isCalled(key: string, chain: string): boolean {
    const [program = ''] = key.split(' ');
    return this.content.some(
      (rule) => rule.startsWith(`${program} `) && rule.endsWith(` -j ${chain}`),
    );
  }

  #restore(program: string, input: string): ProgramEnd {
    this.changes.push(`${program}-restore`);
    let table = '';
    for (const line of input.trim().split('\n')) {
      const [, chain = '', rule = ''] = /^-A (\S+) (.*)$/.exec(line) ?? [];
      if (line.startsWith('*')) table = line.slice(1);
      else if (line.startsWith(':'))
        this.chains.set(`${program} ${table} ${line.slice(1).split(' ')[0]}`, []);
      else if (rule !== '') this.chains.get(`${program} ${table} ${chain}`)?.push(rule);
      else if (line !== 'COMMIT') return refused(`line ${line}`);
    }
    return done();
  }
}
