/** What `netctl service inspect` says of a service of tenant blue, as far as tests look at it. */
import type { LabHost } from '../../lab/host.ts';
import { netctlOk } from '../../support/netctl.ts';

interface Inspected {
  readonly Oper: {
    readonly serviceVip6?: string;
    readonly providers?: readonly {
      readonly containerName: string;
      readonly providerState: string;
    }[];
  };
}

/** Inspects it from a host. */
export async function serviceInspected(host: LabHost, name: string): Promise<Inspected['Oper']> {
  return (JSON.parse(await netctlOk(host, `service inspect -t blue ${name}`)) as Inspected).Oper;
}
