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
  [[], expect.arrayContaining(['apply', 'cluster', 'network'])],
])('%j: %j', async (words, expected) => {
  const found = await complete(...words);
  const sorted = (list: unknown) => (Array.isArray(list) ? list.map(String).toSorted() : list);
  expect(sorted(found)).toEqual(sorted(expected));
});

it('says nothing when no agent answers', async () => {
  const { out, error, exitCode } = await run(['__complete', 'policy', 'rm', ''], {
    environment: { FAIRLEAD_API_SOCKET: join(folder, 'none.sock') },
  });
  expect([out, error, exitCode]).toEqual(['', '', 0]);
});

it('is taken by bash', async () => {
  const { out } = await run(['completion', 'bash']);
  // stands for the program: says what it was asked
  const program = join(folder, 'fairlead');
  writeFileSync(program, '#!/bin/sh\nprintf "%s\\n" "$#:$*" two\n');
  chmodSync(program, 0o755);
  const script = `${out}
COMP_WORDS=(fairlead policy rm "w x" more); COMP_CWORD=3
_fairlead; printf '[%s]' "\${COMPREPLY[@]}"; complete -p fairlead`;
  const told = execFileSync('bash', ['--norc', '--noprofile', '-c', script], {
    env: { PATH: `${folder}:/usr/bin:/bin` },
    encoding: 'utf8',
  });
  expect(told).toBe('[4:__complete policy rm w x][two]complete -o default -F _fairlead fairlead\n');
});

it('is there for three shells', async () => {
  for (const shell of ['bash', 'zsh', 'fish']) {
    expect((await run(['completion', shell])).out).toContain('__complete');
  }
  expect(await run(['completion', 'toString'])).toMatchObject({ exitCode: 2, out: '' });
});
