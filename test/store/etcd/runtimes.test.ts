import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { endpointName } from '../../../lib/store/etcd/transport.ts';
import { EtcdCluster } from '../../support/etcd-server.ts';
import { allSeen, runtimeNames, useOn } from './child-command.ts';

describe.each(runtimeNames)('the etcd engine on %s', (name) => {
  let cluster: EtcdCluster;
  beforeAll(async () => {
    cluster = await EtcdCluster.start();
  });
  afterAll(() => cluster.stop());

  const use = (hosts: string): Promise<unknown> => useOn(name, `etcd://${hosts}/${name}`);

  it('writes, watches, leases, and ends by itself when it is closed', async () => {
    expect(await use(cluster.endpoints.map(endpointName).join())).toEqual(allSeen);
  });

  it('says that nobody is there', async () => {
    expect(await use('127.0.0.1:1')).toEqual({ refused: 'STORE_UNREACHABLE' });
  });
});
