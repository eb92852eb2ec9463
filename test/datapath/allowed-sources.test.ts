/** What a switch's flows let ports send from: exactly what was allowed by the pipeline, read off as it stands. */
import { expect, it } from 'vitest';
import { allowedSources } from '../../lib/datapath/allowed-sources.ts';
import { endpointConduct } from '../../lib/datapath/pipeline/anti-spoof.ts';
import type { Flow } from '../../lib/datapath/openflow/codec/flow.ts';
import { FlowWriter } from '../../lib/datapath/pipeline/unit.ts';
import { parseAddress } from '../../lib/ip/ip.ts';

/** The flows of an endpoint. */
function flowsOf(port: number, ipv4?: string, ipv6?: string): readonly Flow[] {
  const writer = new FlowWriter({ kind: 'endpoint' });
  endpointConduct(writer, {
    id: 'e',
    segmentId: 's',
    port,
    mac: '02:42:0a:01:00:02',
    ipv4: ipv4 === undefined ? undefined : parseAddress(ipv4),
    ipv6: ipv6 === undefined ? undefined : parseAddress(ipv6),
    serves: { dhcp: false, routerAdvertisements: false },
  });
  return writer.flows;
}

it('has the addresses of each port, without those of a link alone', () => {
  const flows = [
    ...flowsOf(3, '10.1.0.2', 'fd00::2'),
    ...flowsOf(4, '200.1.0.9'),
    ...flowsOf(5, undefined, '2001:db8::1'),
    ...flowsOf(6),
  ];
  expect([...allowedSources(flows)]).toEqual([
    [3, ['10.1.0.2', 'fd00::2']],
    [4, ['200.1.0.9']],
    [5, ['2001:db8::1']],
  ]);
});

it('has what somebody else let pass, too', () => {
  const first = flowsOf(3, '10.1.0.2').find(({ match }) => match.ipv4Src !== undefined);
  if (first === undefined) throw new Error('there is such a flow');
  const foreign = { ...first, match: { ...first.match, ipv4Src: 0x0a_01_00_03 } };
  expect([...allowedSources([foreign, first])]).toEqual([[3, ['10.1.0.2', '10.1.0.3']]]);
});
