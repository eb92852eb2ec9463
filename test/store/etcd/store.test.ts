import { afterAll, beforeAll, describe } from 'vitest';
import { describeStore } from '../../conformance/store.ts';
import { EtcdCluster } from '../../support/etcd-server.ts';
import { openForSuite, startNeighbour } from './harness.ts';

describe('an etcd that others use as well', () => {
  let cluster: EtcdCluster;
  let neighbour: ReturnType<typeof startNeighbour>;
  beforeAll(async () => {
    cluster = await EtcdCluster.start();
    neighbour = startNeighbour(cluster);
  });
  afterAll(async () => {
    await neighbour.stop();
    await cluster.stop();
  });

  describeStore('the etcd engine', () => openForSuite(cluster));
});
