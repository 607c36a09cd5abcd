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

/**
 * Counts on stdout as fast as it can. Each line is filled up with as many characters as the argument says.
 */
const COUNTER = `
  const filling = "x".repeat(Number(process.argv[1]));
  for (let i = 0; ; i++) require("fs").writeSync(1, i + " " + filling + "\\n");`;

describe('the rotation of a log file', () => {
  const dir = join(testFolder(), 'rotate');
  mkdirSync(dir);

  // Lines of 300 characters and more often lie across the end of a page of 4 KiB, where a reader sees half.
  for (const filling of [0, 300, 6_000]) {
    it(`bounds a file under a process that writes on, in order and in whole lines (${filling})`, async () => {
      const path = join(dir, `counter-${filling}.log`);
      const writer = spawn(process.execPath, ['-e', COUNTER, String(filling)], {
        stdio: ['ignore', openSync(path, 'a'), 'ignore'],
      });
      const MAX = 100_000;
      try {
        let previous = -1;
        for (let round = 0; round < (filling === 0 ? 10 : 30); round += 1) {
          await until('a rotation', () => rotate(path, MAX), { everyMs: 1 });
          const older = readFileSync(olderPartOf(path), 'utf8');
          expect(older.length).to.be.above(MAX / 2);
          // Long lines come faster than this process may be scheduled on a busy machine.
          if (filling === 0) expect(older.length).to.be.below(2 * MAX + 1_000_000);
          const numbers = numbersOf(older, filling);
          expect(numbers[0]).to.be.above(previous);
          previous = numbers.at(-1) ?? 0;
        }
      } finally {
        writer.kill('SIGKILL');
        await once(writer, 'exit');
      }
      expect(readFileSync(path, 'utf8')).not.to.include('\0');
      expect(statSync(olderPartOf(path)).mode & 0o777).to.equal(0o600);
    });
  }

  it('waits a moment for the end of the last line, and no longer', () => {
    const path = join(dir, 'partial.log');
    writeFileSync(path, `${'whole line\n'.repeat(50)}its writer died he`);
    expect(rotate(path, 100)).to.equal(true);
    expect(readFileSync(olderPartOf(path), 'utf8')).to.match(/\n(whole line\n)*its writer died he$/);
    expect(readFileSync(olderPartOf(path), 'utf8').startsWith('whole line\n')).to.equal(true);
    expect(statSync(path).size).to.equal(0);
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

/** The numbers of whole lines that follow one another. */
function numbersOf(text: string, filling: number): number[] {
  expect(text.at(-1), `the end: ${text.slice(-40)}`).to.equal('\n');
  const lines = text.trimEnd().split('\n');
  const numbers = lines.map((line) => Number.parseInt(line, 10));
  const first = numbers[0] ?? 0;
  const wrong = lines.findIndex(
    (line, index) => line.trimEnd() !== `${first + index} ${'x'.repeat(filling)}`.trimEnd(),
  );
  expect(wrong, `line ${wrong}: ${lines[wrong]?.slice(0, 40)}`).to.equal(-1);
  return numbers;
}
