/** Bits of `ct_state`: what conntrack says of a packet (ovs-fields(7)). */
export const ctState = {
  new: 0x01,
  related: 0x04,
  reply: 0x08,
  invalid: 0x10,
  tracked: 0x20,
  source: 0x40,
  target: 0x80,
} as const;
