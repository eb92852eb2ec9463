/** What of a NIC is read from the kernel's files. */
import { expect, test } from 'vitest';
import { parseConnections } from '../../../lib/datapath/link/nic.ts';

test('addresses of established connections are told from others', () => {
  const head =
    '  sl  local_address                         remote_address                        st tx_queue';
  const line = (number: number, local: string, state: string) =>
    `   ${number}: ${local}:0016 00000000000000000000000001000000:D431 ${state} 00000000:00000000 00:00000000`;
  const table = [
    head,
    // fe80::5054:ff:fe12:3456, of a machine that writes its words backwards
    line(0, '000080FE00000000FF00545056341 2FE'.replace(' ', ''), '01'),
    line(1, '00000000000000000000000000000000', '0A'),
    line(2, 'B80D0120000000000000000001000000', '06'),
    line(3, '0000000000000000FFFF00000100007F', '01'),
    'garbage',
  ];
  expect(parseConnections(table.join('\n'))).toEqual(
    new Set(['fe80::5054:ff:fe12:3456', '::ffff:7f00:1']),
  );
  expect(parseConnections('')).toEqual(new Set());
});
