/** `fairlead apply|diff|delete -f` and `export`, on the API as a host serves it. */
import { mkdirSync, mkdtempSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterEach, beforeEach, expect, it, test } from 'vitest';
import { FairleadError } from '../../../lib/errors.ts';
import { listen, type Listener } from '../../../lib/runtime/listen.ts';
import { objectSite, type ObjectSite } from '../../api/objects/object-site.ts';
import { run, type Run } from '../terminal.ts';

let folder: string;
let site: ObjectSite;
let listener: Listener;
beforeEach(async () => {
  folder = mkdtempSync(join(tmpdir(), 'fairlead-apply-'));
  site = await objectSite();
  listener = await listen({ path: join(folder, 'api.sock') }, site.fetch);
});
afterEach(async () => {
  await listener.close();
  rmSync(folder, { recursive: true });
});

const fairlead = (...words: readonly string[]): Promise<Run> =>
  run(words, { environment: { FAIRLEAD_API_SOCKET: join(folder, 'api.sock') } });
const file = (name: string, text: string): string => {
  const path = join(folder, name);
  mkdirSync(join(path, '..'), { recursive: true });
  writeFileSync(path, text);
  return path;
};

const network = `apiVersion: fairlead/v1
kind: network
metadata: { name: web }
spec: { encap: vxlan, subnet: 10.1.1.0/24 } # as in the plan
`;
const group = `apiVersion: fairlead/v1
kind: endpointGroup
metadata: { name: app }
spec:
  networkName: web
  policies: [p]
`;
const policy = JSON.stringify([
  { apiVersion: 'fairlead/v1', kind: 'policy', metadata: { tenant: 'default', name: 'p' } },
]);

it('applies files and directories, in whatever order they come; again, nothing changes', async () => {
  const one = file('one.yaml', `---\n${group}---\n${network}`);
  const more = join(file('more/policy.json', policy), '..');
  file('more/README.md', 'not a document');
  const made = await fairlead('apply', '-f', one, '-f', more);
  expect(made).toMatchObject({ exitCode: 0, error: '' });
  expect(made.out).toBe(
    'network/default:web created\npolicy/default:p created\ngroup/default:app created\n',
  );
  const again = await fairlead('apply', '-f', more, '-f', one);
  expect(again.out).toBe(
    'network/default:web unchanged\npolicy/default:p unchanged\ngroup/default:app unchanged\n',
  );
  expect((await fairlead('diff', '-f', one)).exitCode).toBe(0);
  const gone = await fairlead('delete', '-f', one, '-f', more);
  expect(gone.out).toBe(
    'group/default:app removed\npolicy/default:p removed\nnetwork/default:web removed\n',
  );
});

it('shows what would change, and changes nothing', async () => {
  const one = file('one.yaml', `${network}---\n${group}`);
  file('policy.json', policy);
  await fairlead('apply', '-f', join(folder, 'policy.json'), '-f', one);
  const { revision } = site.whole;
  const two = file('two.yaml', group.replace('[p]', '[]'));
  const tried = await fairlead('apply', '--dry-run', '-f', two);
  expect(tried).toMatchObject({ exitCode: 0, out: 'group/default:app changed (dry run)\n' });
  const differs = await fairlead(
    'diff',
    '-f',
    two,
    '-f',
    file('q.yml', network.replace('web', 'db')),
  );
  expect(differs.exitCode).toBe(3);
  expect(differs.out).toBe(
    `network/default:db refused: network web conflicts with subnet 10.1.1.0/24 (OBJECT_CONFLICT)
group/default:app changed
- policies:
-   - p
`,
  );
  expect((await fairlead('diff', '-f', two)).exitCode).toBe(1);
  const less = await fairlead('delete', '--dry-run', '-f', two);
  expect(less.out).toBe('group/default:app removed (dry run)\n');
  expect(site.whole.revision).toBe(revision);
});

it('exports what it takes', async () => {
  const one = file('one.yaml', `${network}---\n${group}---\n${policy}`);
  await fairlead('apply', '-f', one);
  const all = await fairlead('export');
  expect(all).toMatchObject({ exitCode: 0, error: '' });
  const applied = await fairlead('apply', '-f', file('all.yaml', all.out));
  expect(applied.exitCode).toBe(0);
  expect(applied.out.match(/ unchanged\n/g)).toHaveLength(applied.out.split('\n').length - 1);
  const some = await fairlead('export', 'group,network', '-t', 'default');
  expect(some.out).toBe(
    `---
apiVersion: "fairlead/v1"
kind: network
metadata:
  tenant: default
  name: web
spec:
  encap: vxlan
  nwType: data
  subnet: "10.1.1.0/24"
---
apiVersion: "fairlead/v1"
kind: endpointGroup
metadata:
  tenant: default
  name: app
spec:
  networkName: web
  policies:
    - p
`.replaceAll('"fairlead/v1"', 'fairlead/v1'),
  );
  expect((await fairlead('export', 'group', '-t', 'blue')).out).toBe('');
  const json = await fairlead('export', '-o', 'json');
  expect((JSON.parse(json.out) as object[]).length).toBe(all.out.match(/^---$/gm)?.length);
});

it('exports rules alone, and marks those that name who is gone', async () => {
  const rule = `apiVersion: fairlead/v1
kind: rule
metadata: { policy: p, name: '1' }
spec: { direction: in, action: allow, fromEndpointGroup: app }
`;
  await fairlead(
    'apply',
    '-f',
    file('one.yaml', `${network}---\n${group}---\n${policy}\n---\n${rule}`),
  );
  const mark = '\n  unresolved: true\n';
  const before = await fairlead('export', 'rule');
  expect([before.exitCode, before.out.includes(mark)]).toEqual([0, false]);
  await site.ask('DELETE', '/v1/endpointGroups/default/app');
  const { out } = await fairlead('export', 'rule');
  expect(out.match(/^kind: .*$/gm)).toEqual(['kind: rule']);
  expect(out).toContain(mark);
  await site.ask('DELETE', '/v1/rules/default/p/1');
  const unmarked = await fairlead('apply', '-f', file('old.yaml', before.out));
  expect(unmarked.out).toContain('endpoint group not found (REFERENCE_UNKNOWN)');
  const made = await fairlead('apply', '-f', file('rules.yaml', out));
  expect(made).toMatchObject({ exitCode: 0, out: 'rule/default:p:1 created\n' });
});

it('is honest about what was refused, and what was not tried', async () => {
  const one = file('one.yaml', `${group}---\n${network}`);
  const partly = await fairlead('apply', '-f', one);
  expect(partly).toMatchObject({
    exitCode: 3,
    out: 'network/default:web created\ngroup/default:app refused: Policy not found (REFERENCE_UNKNOWN)\n',
    error:
      'error: 1 of 2 documents refused, first: Policy not found (REFERENCE_UNKNOWN): make what it names first\n',
  });
  site.whole.beforeTxn = () => {
    throw new FairleadError('QUORUM_LOST', 'no majority');
  };
  const two = file(
    'two.yaml',
    `${network.replace('web', 'a').replace('1.1.0', '2.1.0')}---\n${group}`,
  );
  const stopped = await fairlead('apply', '-f', two);
  expect(stopped.exitCode).toBe(5);
  expect(stopped.out).toMatch(/refused: no majority \(QUORUM_LOST\)\ngroup\/default:app untried/);
});

test.each([
  ['a: [', /one\.yaml: /],
  ['a: 1\na: 2', /Map keys must be unique/],
  ['a: &x 1\nb: *x', /aliases are not taken/],
  ['a: !!binary aGk=', /one\.yaml: Unresolved tag/],
  ['kind: network', /document 1: apiVersion is not fairlead\/v1/],
  ['apiVersion: fairlead/v1\nkind: pod', /document 1: kind is none of/],
  [
    `${network}---\napiVersion: fairlead/v1\nkind: policy\nmetadata: {}`,
    /document 2: metadata\.name/,
  ],
  [network.replace('encap', 'encaps'), /no field "encaps", but cfgdTag, defaultAction, encap/],
  ['# nothing', /there are no documents/],
])('refuses %j before anything is done', async (text, message) => {
  const { revision } = site.whole;
  const { exitCode, error, out } = await fairlead('apply', '-f', file('one.yaml', text));
  expect([exitCode, out]).toEqual([2, '']);
  expect(error).toMatch(message);
  expect(site.whole.revision).toBe(revision);
});

test.each([
  [['apply'], 'no file is given'],
  [['apply', '-f', 'nowhere.yaml'], 'cannot read nowhere.yaml'],
  [['export', 'pods'], 'there is no noun "pods"'],
])('fairlead %j is refused', async (words, message) => {
  const { exitCode, error } = await fairlead(...words);
  expect([exitCode, error]).toEqual([2, expect.stringContaining(message)]);
});

it('says when the answer broke off', async () => {
  await listener.close();
  const broken = await objectSite();
  listener = await listen({ path: join(folder, 'api.sock') }, async (request) => {
    const answer = await broken.fetch(request);
    const [first = ''] = (await answer.text()).split('\n');
    return new Response(`${first}\n`, { headers: answer.headers });
  });
  const { exitCode, error, out } = await fairlead('apply', '-f', file('one.yaml', network));
  expect([exitCode, out]).toEqual([4, 'network/default:web created\n']);
  expect(error).toMatch(/the answer broke off/);
});
