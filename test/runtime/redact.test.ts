import { expect } from 'chai';
import { messageOf } from '../../runtime/errors.ts';
import { createLog } from '../../runtime/log.ts';
import { hideCredentials, showSetting } from '../../runtime/redact.ts';
import { threadCpuMs } from '../thread-cpu.ts';

const CASES: [string, string][] = [
  ['mysql://keymill:s3cret@127.0.0.1:3306/urls', 'mysql://(hidden)@127.0.0.1:3306/urls'],
  ['redis://:s3cret@127.0.0.1:6379', 'redis://(hidden)@127.0.0.1:6379'],
  ['mysql://k:s3cret@h/a,b=mysql://k:s3cret@h2/b', 'mysql://(hidden)@h/a,b=mysql://(hidden)@h2/b'],
  ['redis-1=redis://a:s3cret@h1:1,redis-2=…', 'redis-1=redis://(hidden)@h1:1,redis-2=…'],
  ['a password with a slash: mysql://k:s3/cret@h/db', 'a password with a slash: mysql://(hidden)@h/db'],
  ['with an @: mysql://k:s3@cret@h/db', 'with an @: mysql://(hidden)@h/db'],
  [
    'no session with ZooKeeper at "digest:s3cret@zk-1:2181"',
    'no session with ZooKeeper at "(hidden)@zk-1:2181"',
  ],
  ['{"url":"https://u:s3cret@go.example"}', '{"url":"https://(hidden)@go.example"}'],
  ['https://go.example/@somebody', 'https://go.example/@somebody'],
  ['write to ops@example.org', 'write to ops@example.org'],
  [
    '{"time":"2026-11-28T05:40:15.123Z","msg":"an @ sign"}',
    '{"time":"2026-11-28T05:40:15.123Z","msg":"an @ sign"}',
  ],
  ['', ''],
];

describe('passwords in addresses', () => {
  for (const [text, shown] of CASES) {
    it(`${text === '' ? '(nothing)' : text.replaceAll('s3', '…')} is shown without them`, () => {
      expect(hideCredentials(text)).to.equal(shown);
      expect(messageOf(new Error(text))).to.equal(shown);
    });
  }

  it('a wrong setting with an @ is not shown at all', () => {
    expect(showSetting('https://user:pa ss@go.example')).to.equal('(hidden)');
    expect(showSetting('go.example')).to.equal('go.example');
  });

  it('a long text costs little', () => {
    const startMs = threadCpuMs();
    for (const text of [':'.repeat(20_000), 'a:'.repeat(10_000), 'a'.repeat(20_000)])
      hideCredentials(`${text} @`);
    expect(threadCpuMs() - startMs).to.be.below(2_000);
  });

  it('are hidden in every line of the log, in messages, stacks and fields', () => {
    const lines: string[] = [];
    const log = createLog('test', 'redact', 'info');
    const stream: unknown = Reflect.get(
      log,
      Object.getOwnPropertySymbols(log).find((symbol) => symbol.description === 'pino.stream') ?? '',
    );
    const output = stream as { write: (line: string) => boolean };
    const { write } = output;
    output.write = (line) => lines.push(line) > 0;
    try {
      log.warn(
        { error: new Error('connect mysql://k:s3cret@h/db'), url: 'redis://:s3cret@h:1' },
        'at u:s3cret@h:1',
      );
      log.child({ shard: 'keys-db-1' }).info({ nested: { connect: 'k:s3cret@zk:2181' } }, 'nested');
    } finally {
      output.write = write;
    }
    expect(lines).to.have.length(2);
    for (const line of lines) expect(line).to.include('(hidden)@').and.not.include('s3cret');
    expect(JSON.parse(lines[0] ?? '')).to.include({ msg: 'at (hidden)@h:1', url: 'redis://(hidden)@h:1' });
  });
});
