/**
 * A name server for tests (RFC 1035 section 4.1), as a program: answers every question for an A record with the
 * address given, and every other with no record, by UDP and by TCP. It writes a line for each: how it came, the name,
 * the number of the type. Ends when its standard input does.
 * `node name-server.ts LISTEN-ADDRESS ANSWER`
 */
import { createSocket } from 'node:dgram';
import { createServer } from 'node:net';

const [listen = '', answer = ''] = process.argv.slice(2);
const typeA = 1;
const headerBytes = 12;

function replyTo(question: Buffer, way: string): Buffer {
  const labels: string[] = [];
  let end = headerBytes;
  while (end < question.length && question[end] !== 0) {
    const length = question[end] ?? 0;
    labels.push(question.toString('latin1', end + 1, end + 1 + length));
    end += length + 1;
  }
  end += 5;
  const type = end <= question.length ? question.readUInt16BE(end - 4) : 0;
  process.stdout.write(`${way} ${labels.join('.')} ${type}\n`);
  const isA = type === typeA;
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
  return Buffer.concat([header, question.subarray(headerBytes, end), records]);
}

const socket = createSocket(listen.includes(':') ? 'udp6' : 'udp4');
socket.on('message', (question, from) =>
  socket.send(replyTo(question, 'udp'), from.port, from.address),
);

const server = createServer((connection) => {
  let waiting = Buffer.alloc(0);
  connection.on('error', () => connection.destroy());
  connection.on('data', (part: Buffer) => {
    waiting = Buffer.concat([waiting, part]);
    while (waiting.length > 1 && waiting.length >= 2 + waiting.readUInt16BE(0)) {
      const end = 2 + waiting.readUInt16BE(0);
      const reply = replyTo(waiting.subarray(2, end), 'tcp');
      const length = Buffer.alloc(2);
      length.writeUInt16BE(reply.length);
      connection.write(Buffer.concat([length, reply]));
      waiting = waiting.subarray(end);
    }
  });
});
server.listen(53, listen, () => {
  socket.bind(53, listen, () => process.stdout.write('ready\n'));
});
process.stdin.resume().on('end', () => process.exit(0));
