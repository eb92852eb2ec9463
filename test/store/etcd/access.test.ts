import { mkdtempSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { systemClock, type Clock } from '../../../lib/clock.ts';
import { silentLogger } from '../../../lib/log.ts';
import { openEtcdUrl } from '../../../lib/store/etcd/open-url.ts';
import { endpointName } from '../../../lib/store/etcd/transport.ts';
import type { StateStore } from '../../../lib/store/port.ts';
import { parseStoreUrl } from '../../../lib/store/store-url.ts';
import { runOk } from '../../lab/run.ts';
import { EtcdCluster } from '../../support/etcd-server.ts';
import { until } from '../../support/until.ts';
import { allSeen, runtimeNames, useOn } from './child-command.ts';
import { openStore, passing, patientClock } from './harness.ts';

const put = (store: StateStore, key: string) =>
  store.txn({ compare: [], then: [{ op: 'put', key, value: 'v' }] });

/** Opens the etcd that a user would name like this. */
const openUrl = (text: string, clock: Clock = systemClock): Promise<StateStore> =>
  openEtcdUrl(parseStoreUrl(text), {
    clock,
    log: silentLogger(),
    onFatal: (error) => {
      throw error;
    },
  });

const folders: string[] = [];
function temporaryFolder(): string {
  const folder = mkdtempSync(join(tmpdir(), 'fairlead-etcd-access-'));
  folders.push(folder);
  return folder;
}
afterAll(() => {
  for (const folder of folders) rmSync(folder, { recursive: true });
});

describe('an etcd with certificates', () => {
  const folder = temporaryFolder();
  const file = (name: string): string => join(folder, name);
  let cluster: EtcdCluster;
  let hosts: string;

  /** A certificate; by an authority unless it is one. */
  async function certify(name: string, authority?: string): Promise<void> {
    const key = ['-newkey', 'ec', '-pkeyopt', 'ec_paramgen_curve:prime256v1', '-noenc'];
    const files = ['-keyout', file(`${name}.key`), '-out', file(`${name}.pem`)];
    const by =
      authority === undefined
        ? []
        : ['-CA', file(`${authority}.pem`), '-CAkey', file(`${authority}.key`)];
    const leaf = ['-addext', 'subjectAltName=IP:127.0.0.1', '-addext', 'basicConstraints=CA:FALSE'];
    const more = authority === undefined ? [] : leaf;
    const subject = ['-subj', `/CN=${name}`, '-days', '2'];
    await runOk(['openssl', 'req', '-x509', ...key, ...files, ...by, ...more, ...subject]);
  }

  beforeAll(async () => {
    await certify('ca');
    await certify('other-ca');
    await certify('server', 'ca');
    await certify('client', 'ca');
    await certify('stranger', 'other-ca');
    const tls = { ca: file('ca.pem'), cert: file('server.pem'), key: file('server.key') };
    cluster = await EtcdCluster.start({ tls });
    hosts = cluster.endpoints.map(endpointName).join();
    const url = `etcds://${hosts}?ca=${file('ca.pem')}&cert=${file('client.pem')}&key=${file('client.key')}`;
    await until('etcd', async () => {
      await (await openUrl(url)).close();
      return true;
    });
  });
  afterAll(() => cluster.stop());

  const url = (ca: string, client?: string): string => {
    const own =
      client === undefined ? '' : `&cert=${file(`${client}.pem`)}&key=${file(`${client}.key`)}`;
    return `etcds://${hosts}/tls?ca=${file(`${ca}.pem`)}${own}`;
  };

  it('serves one who has a certificate, watches included', async () => {
    const store = await openUrl(url('ca', 'client'));
    const { revision } = await put(store, 'a');
    for await (const batch of store.watch({ start: 'a', fromRevision: revision })) {
      expect(batch.revision).toBe(revision);
      break;
    }
    await store.close();
  });

  it.concurrent.each(runtimeNames)('serves one on %s', async (runtime) => {
    const own = url('ca', 'client').replace('/tls?', `/tls-${runtime}?`);
    expect(await useOn(runtime, own)).toEqual(allSeen);
  });

  it.each([
    ['one without a certificate', () => url('ca')],
    ['one with a certificate of another authority', () => url('ca', 'stranger')],
    ['one who trusts another authority', () => url('other-ca', 'client')],
    ['one who speaks no TLS', () => `etcd://${hosts}`],
  ])('is out of reach for %s', async (_, made) => {
    const clock = patientClock();
    await expect(passing(clock, openUrl(made(), clock))).rejects.toMatchObject({
      code: expect.stringMatching(/^(?:STORE_UNREACHABLE|ETCD_PROTOCOL)$/) as string,
    });
  });

  it('is not asked when a file is missing', async () => {
    const attempt = openUrl(`etcds://${hosts}?ca=${file('absent.pem')}`);
    await expect(attempt).rejects.toMatchObject({ code: 'USAGE' });
  });
});

describe('an etcd with users', () => {
  let cluster: EtcdCluster;
  let hosts: string;
  const folder = temporaryFolder();
  const password = join(folder, 'password');

  beforeAll(async () => {
    cluster = await EtcdCluster.start();
    hosts = cluster.endpoints.map(endpointName).join();
    const auth = (path: string, body: object) => cluster.call(`/v3/auth/${path}`, body);
    const base64 = (text: string): string => Buffer.from(text).toString('base64');
    await auth('user/add', { name: 'root', password: 'r' });
    await auth('role/add', { name: 'root' });
    await auth('user/grant', { user: 'root', role: 'root' });
    await auth('user/add', { name: 'fair', password: 'p' });
    await auth('role/add', { name: 'fair' });
    const range = { key: base64('/fair/'), range_end: base64('/fair0') };
    await auth('role/grant', { name: 'fair', perm: { permType: 'READWRITE', ...range } });
    await auth('user/grant', { user: 'fair', role: 'fair' });
    await auth('enable', {});
    writeFileSync(password, 'p\n');
    writeFileSync(join(folder, 'wrong'), 'q');
  });
  afterAll(() => cluster.stop());

  const login = (prefix: string, file = 'password'): string =>
    `etcd://${hosts}/${prefix}?user=fair&password-file=${join(folder, file)}`;

  it('serves a user who may, and logs in again when etcd has forgotten the login', async () => {
    const store = await openUrl(login('fair'));
    const { revision } = await put(store, 'a');
    const watch = store.watch({ start: 'a', fromRevision: revision });
    const watched = watch[Symbol.asyncIterator]();
    expect((await watched.next()).value).toMatchObject({ revision });
    await cluster.signal(0, 'SIGKILL');
    cluster.launch(0);
    await cluster.ready();
    const again = await until('a write', () => put(store, 'a'));
    expect((await watched.next()).value).toMatchObject({ revision: again.revision });
    await watched.return?.();
    await store.close();
  });

  it.each([
    ['a wrong password', () => login('fair', 'wrong')],
    ['no login', () => `etcd://${hosts}/fair`],
    ['no right to the prefix', () => login('other')],
  ])('denies %s', async (_, made) => {
    await expect(openUrl(made())).rejects.toMatchObject({ code: 'STORE_DENIED' });
  });
});

describe('an etcd that is full', () => {
  it('refuses to grow, lets go, and changes nothing meanwhile', async () => {
    const cluster = await EtcdCluster.start({ args: ['--quota-backend-bytes', '1000000'] });
    try {
      const store = await openStore({ endpoints: cluster.endpoints });
      const value = 'x'.repeat(100_000);
      const fill = async (): Promise<void> => {
        for (let n = 0; n < 50; n += 1) {
          await store.txn({ compare: [], then: [{ op: 'put', key: `${n}`, value }] });
        }
      };
      await expect(fill()).rejects.toMatchObject({ code: 'STORE_NO_SPACE' });
      const { rows } = await store.range({ start: '!', end: '~' });
      await expect(put(store, 'more')).rejects.toMatchObject({ code: 'STORE_NO_SPACE' });
      expect((await store.range({ start: '!', end: '~' })).rows).toEqual(rows);
      const all = { op: 'delete', start: '!', end: '~' } as const;
      const gone = await store.txn({ compare: [], then: [all] });
      expect(gone.results).toEqual([{ op: 'delete', deleted: rows.length }]);
      await store.close();
    } finally {
      await cluster.stop();
    }
  });
});

describe('an etcd to which others write below our prefix', () => {
  let cluster: EtcdCluster;
  beforeAll(async () => {
    cluster = await EtcdCluster.start();
  });
  afterAll(() => cluster.stop());

  it('has rows that are refused as foreign, not misread', async () => {
    const store = await openStore({ endpoints: cluster.endpoints });
    const key = Buffer.from('/fairlead/foreign').toString('base64');
    await cluster.call('/v3/kv/put', { key, value: Buffer.from([0xff, 0xfe]).toString('base64') });
    await expect(store.range({ start: 'foreign' })).rejects.toMatchObject({
      code: 'ETCD_PROTOCOL',
    });
    await put(store, 'ours');
    expect((await store.range({ start: 'ours' })).rows).toHaveLength(1);
    await store.close();
  });
});
