/** What shells are told, and that a real one takes it. */
import { execFileSync } from 'node:child_process';
import { chmodSync, mkdtempSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterEach, beforeEach, expect, it, test } from 'vitest';
import { listen, type Listener } from '../../lib/runtime/listen.ts';
import { objectSite } from '../api/objects/object-site.ts';
import { run } from './terminal.ts';

let folder: string;
let listener: Listener;
beforeEach(async () => {
  folder = mkdtempSync(join(tmpdir(), 'fairlead-complete-'));
  const site = await objectSite();
  for (const name of ['web', 'wide', 'db']) {
    await site.ask('PUT', `/v1/policys/default/${name}`, {});
  }
  await site.ask('PUT', '/v1/tenants/blue', {});
  await site.ask('PUT', '/v1/policys/blue/own', {});
  const network = { encap: 'vxlan', subnet: '10.1.0.0/24', gateway: '' };
  await site.ask('PUT', '/v1/networks/default/net', { spec: network });
  await site.ask('PUT', '/v1/appProfiles/default/shop', {});
  const spec = { direction: 'in', action: 'allow' };
  await site.ask('PUT', '/v1/rules/default/web/10', { spec });
  await site.ask('PUT', '/v1/rules/default/db/20', { spec });
  listener = await listen({ path: join(folder, 'api.sock') }, site.fetch);
});
afterEach(async () => {
  await listener.close();
  rmSync(folder, { recursive: true });
});

async function complete(...words: readonly string[]): Promise<readonly string[]> {
  const environment = { FAIRLEAD_API_SOCKET: join(folder, 'api.sock') };
  const { out, error, exitCode } = await run(['__complete', ...words], { environment });
  expect([error, exitCode]).toEqual(['', 0]);
  return out.split('\n').slice(0, -1);
}

test.each([
  [['net'], ['network', 'netctl', 'netprofile']],
  [
    ['network', ''],
    ['ls', 'get', 'create', 'set', 'rm'],
  ],
  [['network', 'ls', '--all'], ['--all-tenants']],
  [
    ['policy', 'rm', 'w'],
    ['web', 'wide'],
  ],
  [['policy', 'rm', '-t', 'blue', ''], ['own']],
  [['policy', 'rm', '--tenant', 'b'], ['blue']],
  [['policy', 'create', ''], []],
  [
    ['rule', 'get', ''],
    ['db', 'web', 'wide'],
  ],
  [['rule', 'get', 'web', ''], ['10']],
  [
    ['rule', 'create', 'w'],
    ['web', 'wide'],
  ],
  [['apply', '-f', ''], []],
  [['nonsense', ''], []],
  [
    ['netctl', 'net'],
    ['network', 'netprofile'],
  ],
  [['netctl', '--net'], ['--netmaster']],
  [['netctl', '--netmaster', ''], []],
  [
    ['netctl', 'net', ''],
    ['ls', 'inspect', 'rm', 'create', 'help'],
  ],
  [
    ['netctl', 'network', 'ls', '--'],
    ['--tenant', '--all', '--json', '--quiet', '--help'],
  ],
  [
    ['netctl', '--insecure', 'policy', 'delete', 'w'],
    ['web', 'wide'],
  ],
  [['netctl', 'policy', 'rm', '-t', 'blue', ''], ['own']],
  [['netctl', 'policy', 'rm', '-t=blue', ''], ['own']],
  [['netctl', 'policy', 'rm', '--tenant', 'b'], ['blue']],
  [['netctl', 'tenant', 'inspect', 'b'], ['blue']],
  [['netctl', 'tenant', 'create', ''], []],
  [['netctl', 'policy', 'create', ''], []],
  [['netctl', 'policy', 'rule-ls', 'd'], ['db']],
  [['netctl', 'policy', 'rule-add', 'd'], ['db']],
  [['netctl', 'policy', 'rule-add', 'db', ''], []],
  [
    ['netctl', 'policy', 'rule-rm', ''],
    ['db', 'web', 'wide'],
  ],
  [['netctl', 'policy', 'rule-rm', 'web', ''], ['10']],
  [['netctl', 'policy', 'rule-rm', 'web', '10', ''], []],
  [['netctl', 'group', 'create', ''], ['net']],
  [['netctl', 'group', 'create', 'net', ''], []],
  [['netctl', 'app-profile', 'update', ''], ['shop']],
  [['netctl', 'app-profile', 'group-ls', ''], ['shop']],
  [['netctl', 'endpoint', 'inspect', ''], []],
  [['netctl', '--netmaster', 'http://other:9999', 'policy', 'rm', ''], []],
  [['netctl', '--netmaster=http://other:9999', 'policy', 'rm', '--t'], ['--tenant']],
  [['netctl', 'nonsense', ''], []],
  [['netctl', 'network', 'nonsense', ''], []],
  [[], expect.arrayContaining(['apply', 'cluster', 'network'])],
])('%j: %j', async (words, expected) => {
  const found = await complete(...words);
  const sorted = (list: unknown) => (Array.isArray(list) ? list.map(String).toSorted() : list);
  expect(sorted(found)).toEqual(sorted(expected));
});

it('names nothing of this host to a netctl that asks another', async () => {
  const environment = {
    FAIRLEAD_API_SOCKET: join(folder, 'api.sock'),
    NETMASTER: 'http://other:9999',
  };
  const words = ['__complete', 'netctl', 'policy', 'rm', ''];
  expect((await run(words, { environment })).out).toBe('');
});

it('says nothing when no agent answers', async () => {
  const { out, error, exitCode } = await run(['__complete', 'policy', 'rm', ''], {
    environment: { FAIRLEAD_API_SOCKET: join(folder, 'none.sock') },
  });
  expect([out, error, exitCode]).toEqual(['', '', 0]);
});

/** Has a shell run a script, with a program for ours that prints these lines, or what it was asked. */
function runIn(
  command: readonly string[],
  script: string,
  program = 'echo "$#:$*"; echo two',
): string {
  const path = join(folder, 'fairlead');
  writeFileSync(path, `#!/bin/sh\n${program}\n`);
  chmodSync(path, 0o755);
  const [file = '', ...words] = command;
  const env = { PATH: `${folder}:/usr/bin:/bin`, HOME: folder };
  return execFileSync(file, [...words, '-c', script], { env, cwd: folder, encoding: 'utf8' });
}

it('is taken by bash', async () => {
  const { out } = await run(['completion', 'bash']);
  const script = `${out}
COMP_WORDS=(fairlead policy rm "w x" more); COMP_CWORD=3
_fairlead; printf '[%s]' "\${COMPREPLY[@]}"; complete -p fairlead`;
  const told = runIn(['bash', '--norc', '--noprofile'], script);
  expect(told).toBe('[4:__complete policy rm w x][two]complete -o default -F _fairlead fairlead\n');
  const netctl = `${out}
COMP_WORDS=(netctl policy rm "w x" more); COMP_CWORD=3
_netctl; printf '[%s]' "\${COMPREPLY[@]}"; complete -p netctl`;
  expect(runIn(['bash', '--norc', '--noprofile'], netctl)).toBe(
    '[5:__complete netctl policy rm w x][two]complete -o default -F _netctl netctl\n',
  );
});

it('is taken by zsh, and says nothing of files where there are words', async () => {
  const { out } = await run(['completion', 'zsh']);
  // what the shell's own functions would do is printed
  const script = `compdef() { print -r -- "compdef $*" }
compadd() { print -rl -- "\${(@P)2}" }
_files() { print files }
${out}
words=(fairlead policy rm "w x" more); CURRENT=4; _fairlead`;
  const zsh = ['zsh', '-f'];
  const taken = 'compdef _fairlead fairlead netctl\n';
  expect(runIn(zsh, script)).toBe(`${taken}4:__complete policy rm w x\ntwo\n`);
  expect(runIn(zsh, script, 'exit 0')).toBe(`${taken}files\n`);
  const netctl = script.replace('words=(fairlead', 'words=(/usr/bin/netctl');
  expect(runIn(zsh, netctl)).toBe(`${taken}5:__complete netctl policy rm w x\ntwo\n`);
});

it('is taken by zsh from a directory of $fpath, at the first time', async () => {
  writeFileSync(join(folder, '_fairlead'), (await run(['completion', 'zsh'])).out);
  const script = `compadd() { print -rl -- "\${(@P)2}" }
fpath=(${folder}); autoload -U _fairlead
words=(netctl net); CURRENT=2; _fairlead; words=(fairlead net); _fairlead`;
  const told = ['3:__complete netctl net', 'two', '2:__complete net', 'two', ''];
  expect(runIn(['zsh', '-f'], script).split('\n')).toEqual(told);
});

it('is taken by fish, and says nothing of files where there are words', async () => {
  const { out } = await run(['completion', 'fish']);
  const script = `${out}complete -C 'fairlead policy rm w'`;
  writeFileSync(join(folder, 'file'), '');
  const fish = ['fish', '--no-config'];
  expect(runIn(fish, script).split('\n')).toEqual(['4:__complete policy rm w', 'two', '']);
  const netctl = `${out}complete -C 'netctl policy rm w'`;
  expect(runIn(fish, netctl).split('\n')).toEqual(['5:__complete netctl policy rm w', 'two', '']);
  expect(runIn(fish, `${out}complete -C 'fairlead apply -f fil'`, 'exit 0')).toBe('file\n');
});

it('is there for three shells', async () => {
  for (const shell of ['bash', 'zsh', 'fish']) {
    expect((await run(['completion', shell])).out).toContain('__complete');
  }
  expect(await run(['completion', 'toString'])).toMatchObject({ exitCode: 2, out: '' });
});
