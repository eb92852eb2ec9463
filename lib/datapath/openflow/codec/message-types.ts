/**
 * Numbers of message types and of the parts of multipart messages: OpenFlow 1.3.5 sections 7.1 and
 * 7.3.5, and the extensions of ONF and Nicira that Open vSwitch speaks on 1.3.
 */
import type { BundleStep, MultipartRequest } from './messages.ts';

/** Message types. */
export const messageType = {
  hello: 0,
  error: 1,
  echoRequest: 2,
  echoReply: 3,
  experimenter: 4,
  featuresRequest: 5,
  featuresReply: 6,
  configurationRequest: 7,
  configurationReply: 8,
  setConfiguration: 9,
  packetIn: 10,
  flowRemoved: 11,
  portStatus: 12,
  packetOut: 13,
  flowMod: 14,
  groupMod: 15,
  multipartRequest: 18,
  multipartReply: 19,
  barrierRequest: 20,
  barrierReply: 21,
  meterMod: 29,
} as const;

/** Multipart types. */
export const partType = {
  description: 0,
  flows: 1,
  aggregate: 2,
  tables: 3,
  ports: 4,
  groups: 6,
  groupDescriptions: 7,
  groupFeatures: 8,
  meters: 9,
  meterConfigurations: 10,
  meterFeatures: 11,
  portDescriptions: 13,
  flowMonitor: 0xffff,
} as const satisfies Readonly<Record<MultipartRequest['part'], number>>;

/** ONF's experimenter number. */
export const onf = 0x4f4e_4600;

/** ONF's extensions for 1.3: bundles (EXT-230) and flow monitor (EXT-187). */
export const onfType = {
  flowMonitor: 1870,
  monitorPaused: 1871,
  monitorResumed: 1872,
  bundleControl: 2300,
  bundleAdd: 2301,
} as const;

/** Nicira's message that forgets the connections of a zone. */
export const niciraCtFlushZone = 29;

/** Control types of bundles; the answer to each is one more. */
export const bundleControl = {
  open: 0,
  close: 2,
  commit: 4,
  discard: 6,
} as const satisfies Readonly<Record<BundleStep, number>>;

/** What a flow monitor reports. */
export const monitorFlag = {
  initial: 1,
  added: 2,
  removed: 4,
  modified: 8,
  instructions: 16,
  own: 32,
} as const;

/** Events of a flow monitor. */
export const monitorEvent = { added: 0, removed: 1, modified: 2, own: 3 } as const;
