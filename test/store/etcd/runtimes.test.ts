import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { endpointName } from '../../../lib/store/etcd/transport.ts';
import { EtcdCluster } from '../../support/etcd-server.ts';
import { allSeen, runtimeNames, useOn } from './child-command.ts';

describe('the etcd engine', () => {
  let cluster: EtcdCluster;
  beforeAll(async () => {
    cluster = await EtcdCluster.start();
  });
  afterAll(() => cluster.stop());

  it.concurrent.each(runtimeNames)(
    'on %s writes, watches, leases, and ends by itself when it is closed',
    async (runtime) => {
      const hosts = cluster.endpoints.map(endpointName).join();
      expect(await useOn(runtime, `etcd://${hosts}/${runtime}`)).toEqual(allSeen);
    },
  );

  it.concurrent.each(runtimeNames)('on %s says that nobody is there', async (runtime) => {
    const answer = await useOn(runtime, 'etcd://127.0.0.1:1');
    expect(answer).toEqual({ refused: 'STORE_UNREACHABLE' });
  });
});
