/** The ports of endpoints on our bridge with their OpenFlow numbers, as the database has them. Pure. */
import { endpointPort, observePorts, type OurBridge, type Rows } from './bridge.ts';

/** The port of an endpoint on the bridge. */
export interface EndpointPort {
  readonly name: string;
  readonly endpointId: string;
  /** Its OpenFlow number, once it has one. */
  readonly number: number | undefined;
}

/** All of them that the switch could use: not those whose link is gone. */
export function endpointPorts(rows: Rows, bridge: OurBridge): readonly EndpointPort[] {
  const numbers = new Map(
    [...rows.interfaces.values()].map((row) => [row.name, endpointPort(row)?.number]),
  );
  return observePorts(rows, bridge)
    .filter(({ error }) => error === undefined)
    .map(({ name, endpointId }) => ({ name, endpointId, number: numbers.get(name) }));
}
