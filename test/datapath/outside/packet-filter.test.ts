/** Our rules among those of others, in iptables and nft. */
import fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import { hostFilter } from '../../../lib/datapath/outside/packet-filter.ts';
import {
  iptablesRule,
  nftRule,
  rulesOf,
  type Publication,
} from '../../../lib/datapath/outside/rules.ts';
import type { RunProgram } from '../../../lib/datapath/outside/run-program.ts';
import { parseCidr } from '../../../lib/ip/ip.ts';
import { PaperIptables } from './paper-iptables.ts';

const block = parseCidr('169.254.64.0/18');
const rules = rulesOf({ block, outward: ['eth0', 'wg0'], barred: [], published: [] });
const published: readonly Publication[] = [
  { protocol: 'tcp', address: '0.0.0.0', hostPort: 8080, port: 80, place: 5, mtu: 1450 },
  { protocol: 'udp', address: '127.0.0.1', hostPort: 8081, port: 81, place: 5, mtu: 1450 },
  { protocol: 'sctp', address: '192.0.2.1', hostPort: 8082, port: 82, place: 6, mtu: 1450 },
];
const publishing = rulesOf({ block, outward: ['eth0'], barred: [], published });
const isOurs = (rule: string): boolean => rule.includes('FAIRLEAD-');

describe('rules', () => {
  it('let containers out by links that lead outside, and only answers in', () => {
    expect(rules.forward.map(iptablesRule)).toEqual([
      '-i fl-host -o fl-host -j DROP',
      '-i fl-host -o eth0 -j ACCEPT',
      '-i fl-host -o wg0 -j ACCEPT',
      '-o fl-host -m conntrack --ctstate RELATED,ESTABLISHED -j ACCEPT',
      '-o fl-host -j DROP',
    ]);
    expect(rules.leave.map(iptablesRule)).toEqual([
      '-s 169.254.64.0/18 ! -o fl-host -j MASQUERADE',
    ]);
    expect(rules.leave.map((rule) => nftRule(rule, 4))).toEqual([
      'ip saddr 169.254.64.0/18 oifname != "fl-host" masquerade',
    ]);
  });

  it('keep links that forward because of us from forwarding to one another', () => {
    const barring = rulesOf({ block, outward: ['eth0', 'eth1'], barred: ['eth0'], published: [] });
    expect(barring.forward.slice(-2).map(iptablesRule)).toEqual([
      '-i eth0 -o eth0 -j DROP',
      '-i eth0 -o eth1 -j DROP',
    ]);
  });
});

describe('rules of published ports', () => {
  it("turn what comes to the host's port into the container's, and let nothing else in", () => {
    expect(publishing.enter.map(iptablesRule)).toEqual([
      '-p tcp -m addrtype --dst-type LOCAL -m tcp --dport 8080 -j DNAT --to-destination 169.254.112.5:80',
      '-d 192.0.2.1/32 -p sctp -m sctp --dport 8082 -j DNAT --to-destination 169.254.112.6:82',
    ]);
    expect(publishing.forward.slice(0, 2).map(iptablesRule)).toEqual([
      '-o fl-host -m conntrack --ctstate DNAT -j ACCEPT',
      '-i fl-host -o fl-host -j DROP',
    ]);
    expect(publishing.forward.slice(1)).toEqual(
      rulesOf({ block, outward: ['eth0'], barred: [], published: [] }).forward,
    );
  });

  it('are for the host itself, too, which is answered at its own address of the block', () => {
    expect(publishing.call.map(iptablesRule)[1]).toBe(
      '-d 127.0.0.1/32 -p udp -m udp --dport 8081 -j DNAT --to-destination 169.254.112.5:81',
    );
    expect(publishing.call).toHaveLength(3);
    expect(publishing.leave.slice(1).map(iptablesRule)).toEqual([
      '-s 169.254.64.0/18 -o fl-host -m conntrack --ctstate DNAT -j SNAT --to-source 169.254.127.254',
      '-s 127.0.0.0/8 -o fl-host -m conntrack --ctstate DNAT -j SNAT --to-source 169.254.127.254',
    ]);
  });

  it('of IPv6 leave its loopback alone', () => {
    const block6 = parseCidr('fdfa:1ead:d0d::/114');
    const [first] = published;
    if (first === undefined) throw new Error('no port');
    const one = { ...first, address: '::' };
    const of6 = rulesOf({ block: block6, outward: [], barred: [], published: [one] });
    expect(of6.call.map(iptablesRule)).toEqual([
      '! -d ::1/128 -p tcp -m addrtype --dst-type LOCAL -m tcp --dport 8080 -j DNAT --to-destination [fdfa:1ead:d0d::3005]:80',
    ]);
    expect(of6.leave).toHaveLength(2);
    expect(of6.call.map((rule) => nftRule(rule, 6))).toEqual([
      'ip6 daddr != ::1 fib daddr type local tcp dport 8080 dnat to [fdfa:1ead:d0d::3005]:80',
    ]);
  });

  it('are chains of their own, which go with the last port', async () => {
    const paper = new PaperIptables();
    const filter = hostFilter(paper.run);
    await filter.ensure(4, rules);
    const before = paper.content;
    expect(await filter.ensure(4, publishing)).toBe('changed');
    expect(await filter.ensure(4, publishing)).toBe('right');
    expect(paper.chains.get('iptables nat OUTPUT')).toEqual([
      '-m comment --comment fairlead -j FAIRLEAD-OUTPUT',
    ]);
    await filter.ensure(4, rules);
    expect(paper.content).toEqual(before);
    expect([...paper.chains.keys()].filter((key) => /PREROUTING|OUTPUT/.test(key))).toHaveLength(4);
  });

  it('of an agent before are removed by the next, and looked for once', async () => {
    const paper = new PaperIptables();
    await hostFilter(paper.run).ensure(4, publishing);
    const next = hostFilter(paper.run);
    await next.ensure(4, rules);
    expect(paper.content.some((rule) => /PREROUTING|OUTPUT/.test(rule))).toBe(false);
    let asked = 0;
    const counted = hostFilter(async (command, input) => {
      if (command.includes('FAIRLEAD-OUTPUT')) asked += 1;
      return paper.run(command, input);
    });
    for (let times = 0; times < 3; times += 1) await counted.ensure(4, rules);
    expect(asked).toBe(1);
  });
});

describe('in iptables', () => {
  it('come behind what operators say to all containers, and before all else', async () => {
    const paper = new PaperIptables();
    const forward = paper.chains.get('iptables filter FORWARD');
    forward?.push('-j LIBVIRT_FWI', '-j DOCKER-USER', '-j DOCKER-ISOLATION-STAGE-1');
    await hostFilter(paper.run).ensure(4, rules);
    expect(forward?.indexOf('-m comment --comment fairlead -j FAIRLEAD-FORWARD')).toBe(2);
  });

  it('are written once, and again when somebody has removed or changed some', async () => {
    const paper = new PaperIptables();
    const filter = hostFilter(paper.run);
    expect(await filter.ensure(4, rules)).toBe('changed');
    const right = paper.content;
    paper.changes.length = 0;
    expect(await filter.ensure(4, rules)).toBe('right');
    expect(paper.changes).toEqual([]);
    const harms: readonly (() => void)[] = [
      () => paper.chains.get('iptables filter FORWARD')?.splice(0),
      () => paper.chains.get('iptables nat FAIRLEAD-POSTROUTING')?.splice(0),
      () => paper.chains.get('iptables filter FAIRLEAD-FORWARD')?.splice(1, 1),
      () => void paper.chains.delete('iptables filter FAIRLEAD-FORWARD'),
      () =>
        paper.chains
          .get('iptables nat POSTROUTING')
          ?.push('-m comment --comment fairlead -j FAIRLEAD-POSTROUTING'),
    ];
    for (const harm of harms) {
      harm();
      expect(await filter.ensure(4, rules)).toBe('changed');
      expect(paper.content.toSorted()).toEqual(right.toSorted());
    }
  });

  it('leave those of others as they are, wherever they stand, and go without a trace', async () => {
    const foreign = fc.array(
      fc.constantFrom('-j DOCKER-USER', '-j REJECT', '-o docker0 -j DOCKER'),
    );
    await fc.assert(
      fc.asyncProperty(foreign, foreign, fc.boolean(), async (forward, leave, isRestarted) => {
        const paper = new PaperIptables();
        paper.chains.get('iptables filter FORWARD')?.push(...forward);
        paper.chains.get('ip6tables nat POSTROUTING')?.push(...leave);
        const before = paper.content;
        const chains = [...paper.chains.keys()];
        const filter = hostFilter(paper.run);
        for (const family of [4, 6] as const) await filter.ensure(family, publishing);
        expect(paper.content.filter((rule) => !isOurs(rule))).toEqual(before);
        const last = isRestarted ? hostFilter(paper.run) : filter;
        for (const family of [4, 6] as const) await last.remove(family);
        expect(paper.content).toEqual(before);
        expect([...paper.chains.keys()]).toEqual(chains);
      }),
    );
  });

  it('say what iptables had against them', async () => {
    const paper = new PaperIptables();
    const run: RunProgram = async (command, input) =>
      command[0] === 'iptables-restore'
        ? { code: 4, stdout: '', stderr: "iptables-restore: can't initialize\nmore" }
        : paper.run(command, input);
    await expect(hostFilter(run).ensure(4, rules)).rejects.toMatchObject({
      code: 'OUTSIDE_FAILED',
      message: "iptables-restore refused our rules: iptables-restore: can't initialize",
    });
  });
});

describe('without iptables', () => {
  /** Knows tables by name only, and prints what it was given last. */
  function paperNft() {
    const tables = new Map<string, string>();
    const writes: string[] = [];
    const run: RunProgram = async ([file, ...args], input = '') => {
      if (file !== 'nft') return undefined;
      const name = args.slice(-2).join(' ');
      if (args.includes('list')) {
        const text = tables.get(name);
        return { code: text === undefined ? 1 : 0, stdout: text ?? '', stderr: '' };
      }
      if (args.includes('delete')) tables.delete(name);
      else {
        writes.push(input);
        const [, table = '', body = ''] =
          /^table (.*) \{\n([^]*)$/m.exec(input.split('\n').slice(2).join('\n')) ?? [];
        tables.set(table, `listed: ${body}`);
      }
      return { code: 0, stdout: '', stderr: '' };
    };
    return { tables, writes, run };
  }

  it('they are a table of nft, replaced at once, and again when it was changed', async () => {
    const { tables, writes, run } = paperNft();
    const filter = hostFilter(run);
    expect(await filter.ensure(4, rules)).toBe('changed');
    expect(writes[0]).toMatch(
      /^table ip fairlead \{\}\ndelete table ip fairlead\ntable ip fairlead \{/,
    );
    expect(await filter.ensure(4, rules)).toBe('right');
    expect(writes[0]).not.toContain('prerouting');
    await filter.ensure(4, publishing);
    expect(writes[1]).toMatch(
      /hook prerouting priority -100[^}]*dnat to [^}]*}[^}]*hook output priority -100/,
    );
    await filter.ensure(4, rules);
    tables.set('ip fairlead', 'something else');
    expect(await filter.ensure(4, rules)).toBe('changed');
    await filter.remove(4);
    expect([...tables.keys()]).toEqual([]);
  });

  it('and without nft there is no filter', async () => {
    const filter = hostFilter(async () => undefined);
    expect(await filter.ensure(4, rules)).toBe('absent');
    await expect(filter.remove(4)).resolves.toBeUndefined();
  });
});
