/** Where a member listens, as text: `host:port`, `[IPv6]:port`. */
import { isIPv4, isIPv6 } from 'node:net';
import { FairleadError } from '../../errors.ts';
import { joinAddressCharactersMax } from '../../limits.ts';
import type { PeerAddress } from './secure.ts';

const pattern = /^(?:\[(?<six>[0-9A-Fa-f:.]+)\]|(?<name>[0-9A-Za-z._-]+)):(?<port>[1-9]\d{0,4})$/;

/** The text of an address. */
export function formatAddress({ host, port }: PeerAddress): string {
  return isIPv6(host) ? `[${host}]:${port}` : `${host}:${port}`;
}

/**
 * Reads an address.
 * @throws ADDRESS_INVALID
 */
export function parseAddress(text: string): PeerAddress {
  const groups = text.length > joinAddressCharactersMax ? undefined : pattern.exec(text)?.groups;
  const host = groups?.['six'] ?? groups?.['name'];
  const port = Number(groups?.['port']);
  const isHost = groups?.['six'] === undefined ? isName(host) : isIPv6(groups['six']);
  if (host === undefined || !isHost || port > 65_535) {
    throw new FairleadError('ADDRESS_INVALID', `${JSON.stringify(text)} is no host:port`);
  }
  return { host, port };
}

/** All digits and dots is an IPv4 address or a mistake. */
function isName(host: string | undefined): boolean {
  if (host === undefined || host.startsWith('-')) return false;
  return /^[\d.]+$/.test(host) ? isIPv4(host) : true;
}
