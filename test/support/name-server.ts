/**
 * A name server for tests (RFC 1035 section 4.1), as a program: answers every question for an A record with the
 * address given, and every other with no record. Ends when its standard input does.
 * `node name-server.ts LISTEN-ADDRESS ANSWER`
 */
import { createSocket } from 'node:dgram';

const [listen = '', answer = ''] = process.argv.slice(2);
const socket = createSocket(listen.includes(':') ? 'udp6' : 'udp4');
const typeA = 1;
const headerBytes = 12;

socket.on('message', (question, from) => {
  let end = headerBytes;
  while (end < question.length && question[end] !== 0) end += (question[end] ?? 0) + 1;
  end += 5;
  const isA = end <= question.length && question.readUInt16BE(end - 4) === typeA;
  const header = Buffer.alloc(headerBytes);
  question.copy(header, 0, 0, 2);
  // an answer, recursion wished for and available
  header.writeUInt16BE(0x8180, 2);
  header.writeUInt16BE(1, 4);
  header.writeUInt16BE(isA ? 1 : 0, 6);
  // the name by its place in the question, class IN, for a minute
  const record = [0xc0, headerBytes, 0, typeA, 0, 1, 0, 0, 0, 60, 0, 4];
  const address = answer.split('.').map(Number);
  const records = isA ? Buffer.from([...record, ...address]) : Buffer.alloc(0);
  const reply = Buffer.concat([header, question.subarray(headerBytes, end), records]);
  socket.send(reply, from.port, from.address);
});
socket.bind(53, listen, () => process.stdout.write('ready\n'));
process.stdin.resume().on('end', () => process.exit(0));
