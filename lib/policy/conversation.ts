/** Who speaks to whom, as rules see it. */
import type { IpAddress } from '../ip/ip.ts';

/** One end of a conversation. */
export interface ConversationEnd {
  readonly address: IpAddress;
  /**
   * The number of the group that it is in, which is its network's own (`bareGroupOf`) where it is in no other; undefined
   * for who is no container of the tenant.
   */
  readonly group: number | undefined;
}

/** A conversation within a tenant, or between a tenant and what is outside. */
export interface Conversation {
  /** Who sends the first packet. */
  readonly client: ConversationEnd;
  /** Who gets it; its address is of the client's family. */
  readonly server: ConversationEnd;
  /** The IP protocol's number. */
  readonly protocol: number;
  /** The server's port, for protocols that have ports; others have 0. */
  readonly port: number;
  /** The type of the ICMP message that it begins with; undefined for other protocols. */
  readonly icmpType: number | undefined;
  /** The number of the network that both are in, when they are in one. */
  readonly network: number | undefined;
}
