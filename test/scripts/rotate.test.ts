import { spawn } from 'node:child_process';
import { once } from 'node:events';
import {
  appendFileSync,
  existsSync,
  mkdirSync,
  openSync,
  readFileSync,
  statSync,
  writeFileSync,
} from 'node:fs';
import { join } from 'node:path';
import { expect } from 'chai';
import { logFromNow } from '../../drills/watch/log-tail.ts';
import { olderPartOf, rotate } from '../../scripts/servers/rotate.ts';
import { testFolder } from '../servers.ts';
import { until } from '../until.ts';

/** Counts on stdout as fast as it can. */
const COUNTER = 'for (let i = 0; ; i++) require("fs").writeSync(1, `${i}\\n`)';

describe('the rotation of a log file', () => {
  const dir = join(testFolder(), 'rotate');
  mkdirSync(dir);

  it('bounds a file under a process that writes on, in order and in whole lines', async () => {
    const path = join(dir, 'counter.log');
    const writer = spawn(process.execPath, ['-e', COUNTER], {
      stdio: ['ignore', openSync(path, 'a'), 'ignore'],
    });
    const MAX = 100_000;
    try {
      let previous = 0;
      for (let round = 0; round < 5; round += 1) {
        await until('a rotation', () => rotate(path, MAX));
        const older = readFileSync(olderPartOf(path), 'utf8');
        expect(older.length).to.be.within(MAX, 2 * MAX + 1_000_000);
        const numbers = older.trimEnd().split('\n').map(Number);
        const isOrdered = numbers.every(
          (number, index) => index === 0 || number === (numbers[index - 1] ?? 0) + 1,
        );
        expect(isOrdered, older.slice(0, 40)).to.equal(true);
        expect(numbers[0]).to.be.above(previous - 1);
        previous = numbers.at(-1) ?? 0;
      }
    } finally {
      writer.kill('SIGKILL');
      await once(writer, 'exit');
    }
    expect(readFileSync(path, 'utf8')).not.to.include('\0');
    expect(statSync(olderPartOf(path)).mode & 0o777).to.equal(0o600);
  });

  it('keeps the end of a very long file, leaves a short one alone, and passes over a missing one', () => {
    const path = join(dir, 'long.log');
    writeFileSync(path, `${'x'.repeat(500)}the end`);
    expect(rotate(path, 100)).to.equal(true);
    expect(readFileSync(olderPartOf(path), 'utf8')).to.equal(`${'x'.repeat(93)}the end`);
    expect(statSync(path).size).to.equal(0);
    appendFileSync(path, 'short');
    expect(rotate(path, 100)).to.equal(false);
    expect(readFileSync(path, 'utf8')).to.equal('short');
    expect(rotate(join(dir, 'missing.log'), 100)).to.equal(false);
  });

  it('empties the file also when its older part cannot be written, and says so', () => {
    const path = join(dir, 'full.log');
    writeFileSync(path, 'x'.repeat(500));
    mkdirSync(`${path}.new/in-the-way`, { recursive: true });
    expect(() => rotate(path, 100)).to.throw('EISDIR');
    expect(statSync(path).size).to.equal(0);
    expect(existsSync(olderPartOf(path))).to.equal(false);
  });

  it('hides nothing from a reader that began before it', () => {
    const path = join(dir, 'read.log');
    writeFileSync(path, 'before;');
    const read = logFromNow(path);
    appendFileSync(path, 'one;'.repeat(30));
    rotate(path, 100);
    appendFileSync(path, 'two;');
    expect(read()).to.equal(`${'one;'.repeat(30)}two;`);
  });
});
