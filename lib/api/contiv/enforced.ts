/**
 * What this host's switch does for a profile or an endpoint, beside what Contiv showed of them. Only the host that
 * an endpoint is on can say it.
 */
import { asFairleadError } from '../../errors.ts';
import type { AskedWay, EndpointBandwidth, ShownWay } from '../../host/bandwidth.ts';
import { keyText, type ObjectName } from '../../model/objects/object-keys.ts';

/** Asks the switch. */
export type ReadBandwidth = () => Promise<readonly EndpointBandwidth[]>;

/** What there is to add to what a profile shows; nothing where no endpoint of this host has it. */
export async function profileEnforced(name: ObjectName, read: ReadBandwidth): Promise<object> {
  const enforced = await orWhyNot(read, ({ netprofile }) => netprofile === keyText(name));
  return enforced.length === 0 ? {} : { enforced };
}

/** The same of an endpoint, found by its id. */
export async function endpointEnforced(endpoint: unknown, read: ReadBandwidth): Promise<object> {
  const bandwidth = await orWhyNot(read, ({ endpointId }) => endpointId === endpoint);
  return bandwidth.length === 0 ? {} : { bandwidth };
}

/** Objects are shown whether or not the switch answers. */
async function orWhyNot(
  read: ReadBandwidth,
  isMeant: (one: EndpointBandwidth) => boolean,
): Promise<readonly string[]> {
  try {
    return (await read()).filter(isMeant).flatMap(linesOf);
  } catch (thrown) {
    return [`the switch was not asked: ${asFairleadError(thrown).message}`];
  }
}

function linesOf({ endpointId, sends, gets, isShared }: EndpointBandwidth): readonly string[] {
  const who = `${endpointId.slice(0, 12)}${isShared ? ', with its group on this host,' : ''}`;
  return [
    ...(isNothing(sends) ? [] : [`${who} sends ${lineOf(sends)}`]),
    ...(isNothing(gets) ? [] : [`${who} gets ${lineOf(gets)}`]),
  ];
}

const isNothing = ({ asked, has }: ShownWay): boolean =>
  Object.keys(asked).length + Object.keys(has).length === 0;

function lineOf({ asked, has, isEnforced }: ShownWay): string {
  const { packets, droppedPackets } = has;
  const counted =
    packets === undefined ? '' : `; ${droppedPackets ?? 0} of ${packets} packets dropped`;
  const line = `${textOf(has)}${counted}`;
  return isEnforced ? line : `${line}; NOT AS ASKED: ${textOf(asked)}`;
}

function textOf({ rate, burst, dscp }: AskedWay): string {
  const limit =
    rate === undefined ? 'without limit' : `at most ${rate} kbit/s, bursts ${burst} kbit`;
  return dscp === undefined ? limit : `${limit}, DSCP ${dscp}`;
}
