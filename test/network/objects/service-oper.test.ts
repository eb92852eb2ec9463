/** Who is behind a service when somebody inspects it. */
import { expect, it } from 'vitest';
import { planTellContainer } from '../../../lib/network/containers.ts';
import { planDefaultTenant } from '../../../lib/network/objects/tenants.ts';
import { runPlan } from '../../../lib/store/run-plan.ts';
import { MapStore } from '../../support/map-store.ts';
import { Operator } from '../../support/operator.ts';
import { sharedAs, SiteHost } from '../../support/site-hosts.ts';

const id = (letter: string): string => letter.repeat(64);

it('is nobody of another network without a gateway, since no client there would hear him', async () => {
  const host = new SiteHost(new MapStore(), 'one');
  const operator = new Operator(host.store);
  await runPlan(host.store, planDefaultTenant);
  const subnets = { own: '10.1.0.0/24', other: '10.2.0.0/24', bare: '10.3.0.0/24' };
  const letters = { own: 'a', other: 'b', bare: 'c' };
  for (const network of ['own', 'other', 'bare'] as const) {
    const subnet = subnets[network];
    const gateway = network === 'bare' ? {} : { gateway: subnet.replace('0/24', '254') };
    await operator.put('network', `default:${network}`, { encap: 'vxlan', subnet, ...gateway });
    const made = await host.createNetwork({ id: id(letters[network]), ...sharedAs(network) });
    await host.attach(made, id(letters[network]));
    const of = { network: { tenant: 'default', network }, endpointId: id(letters[network]) };
    const container = { id: id(letters[network]), name: `/${network}`, labels: { app: 'web' } };
    await runPlan(host.store, () => planTellContainer(of, container));
  }
  const behind = async (service: string) => {
    const { providers } = (await operator.oper('serviceLB', `default:${service}`)) ?? {};
    return (providers as readonly { readonly containerName: string }[]).map(
      ({ containerName }) => containerName,
    );
  };
  const asked = { selectors: ['app=web'], ports: ['80:80:TCP'] };
  await operator.put('serviceLB', 'default:front', { ...asked, networkName: 'own' });
  expect(await behind('front')).toEqual(['/own', '/other']);
  await operator.put('serviceLB', 'default:inner', { ...asked, networkName: 'bare' });
  expect(await behind('inner')).toEqual(['/own', '/other', '/bare']);
});
