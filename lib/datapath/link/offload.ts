/**
 * Checksum offload of a link, by SIOCETHTOOL (linux/ethtool.h). Packets of a container must leave with
 * their checksums filled in where the userspace datapath of Open vSwitch forwards them, since it does
 * not fill them in: pings pass and no TCP connection comes up. Names are used because the ioctl has no
 * index; the caller knows that the link is its own.
 */
import { nativeBytes, socketNumber, type Libc } from './libc.ts';
import { kernelError } from './link-errors.ts';

const ioctlEthtool = 0x8946;
const getTransmitChecksum = 0x16;
const setTransmitChecksum = 0x17;
/** struct ifreq: a name of 16 bytes, then a pointer. */
const ifreqBytes = 40;
const ifreqPointerAt = 16;

/** Reads and switches checksum offload. */
export class Offload {
  readonly #libc: Libc;
  #descriptor: number;

  /**
   * Opens the socket that the ioctl wants, in the network namespace of this process.
   * @throws LINK_FAILED
   */
  constructor(libc: Libc) {
    this.#libc = libc;
    const { familyInet, datagram, closeOnExec } = socketNumber;
    this.#descriptor = libc.socket(familyInet, datagram | closeOnExec, 0);
    if (this.#descriptor < 0) throw kernelError(libc, 'cannot open a socket', -this.#descriptor);
  }

  /**
   * True when the link leaves checksums of what it sends to whoever takes it.
   * @throws LINK_FAILED
   */
  transmitChecksum(name: string): Promise<boolean> {
    return this.#call(name, getTransmitChecksum, 0, 'cannot read the offloads');
  }

  /**
   * Switches transmit checksum offload off.
   * @throws LINK_FAILED
   */
  async switchOff(name: string): Promise<void> {
    await this.#call(name, setTransmitChecksum, 0, 'cannot switch checksum offload off');
  }

  /** Closes. No call may be in progress. */
  close(): void {
    if (this.#descriptor >= 0) this.#libc.close(this.#descriptor);
    this.#descriptor = -1;
  }

  async #call(name: string, command: number, value: number, what: string): Promise<boolean> {
    const setting = nativeBytes(8);
    const settingView = new DataView(setting.buffer);
    settingView.setUint32(0, command, true);
    settingView.setUint32(4, value, true);
    const request = nativeBytes(ifreqBytes);
    request.set(new TextEncoder().encode(name).subarray(0, ifreqPointerAt - 1));
    new DataView(request.buffer).setBigUint64(ifreqPointerAt, this.#libc.addressOf(setting), true);
    const result = await this.#libc.ioctl(this.#descriptor, ioctlEthtool, request, setting);
    if (result < 0) throw kernelError(this.#libc, `${what} of ${name}`, -result);
    return settingView.getUint32(4, true) !== 0;
  }
}
