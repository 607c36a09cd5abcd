import { expect } from 'chai';
import { CsvRecords } from '../../../mapper/import/csv-records.ts';
import { JsonRecords } from '../../../mapper/import/json-records.ts';
import type { FileRecord, RecordReader } from '../../../mapper/import/record.ts';
import { brief, readAll } from './reading.ts';

function records(reader: RecordReader, text: string): FileRecord[] {
  return [...reader.push(text), ...reader.end()];
}

/** Each record as its line and its values, or its reason. */
function shown(reader: RecordReader, text: string): unknown[] {
  return records(reader, text).map((record) =>
    'fields' in record ? [record.line, ...Object.values(record.fields)] : [record.line, record.fault.reason],
  );
}

describe('the rows of a table', () => {
  for (const [what, text, expected] of [
    [
      'LF, CRLF and CR, empty lines, no end',
      'a,b\n1,2\r\n\r\n3,4\r\r5,6',
      [
        [2, '1', '2'],
        [4, '3', '4'],
        [6, '5', '6'],
      ],
    ],
    [
      'quoted cells',
      'a,b\n"1,\n1","2""2"\n"",x"y"\n',
      [
        [2, '1,\n1', '2"2'],
        [4, '', 'x"y"'],
      ],
    ],
    [
      'an empty cell at the end',
      'a,b\n1,\n"1",',
      [
        [2, '1', ''],
        [3, '1', ''],
      ],
    ],
    [
      'too few and too many cells',
      'a,b\n1\n1,2,3\n1,2,,\n',
      [
        [2, 'cells'],
        [3, 'cells'],
        [4, '1', '2'],
      ],
    ],
    [
      'a quote behind a closing one',
      'a,b\n"1"x,2\n3,4\n',
      [
        [2, 'quotes'],
        [3, '3', '4'],
      ],
    ],
    [
      'a quote that is not closed, and later ones that are',
      'a,b\n"1,2\n3,"4"\n',
      [
        [2, 'quotes'],
        [3, '3', '4'],
      ],
    ],
    [
      'a quote that is not closed in the last line',
      'a,b\n1,2\n3,"4',
      [
        [2, '1', '2'],
        [3, 'quotes'],
      ],
    ],
    ['a header with a quote that is not closed', 'a,"b\n1,2\n3,4\n', [[1, 'quotes']]],
    ['only a header', 'a,b', []],
    ['nothing', '', []],
  ] as const) {
    it(what, () => {
      expect(shown(new CsvRecords({ delimiter: ',' }), text)).to.deep.equal(expected);
    });
  }

  it('a bare word can mean that there is no value, in quotes it is itself', () => {
    const reader = new CsvRecords({ delimiter: ';', nullWord: 'NULL' });
    expect(shown(reader, 'a;b\nNULL;"NULL"\nx;NULL\n')).to.deep.equal([
      [2, null, 'NULL'],
      [3, 'x', null],
    ]);
  });

  it('loses no column without name, or with the name of another or of JavaScript', async () => {
    const file = 'url,code,URL,url,,__proto__\nhttps://example.com/,abc,https://example.org/,2,3,4\n';
    const { outcomes, summary } = await readAll(file);
    expect(outcomes).to.have.nested.property('[0].link.long_url', 'https://example.com/');
    expect(summary.left_out).to.deep.equal({
      URL: 1,
      'url (column 4)': 1,
      '(column 5)': 1,
      '__proto__ (column 6)': 1,
    });
  });
});

describe('the elements of a JSON document', () => {
  for (const [what, text, expected] of [
    [
      'a list',
      '[{"a":1},\n{"a":"]}\\"\\\\"}\n]',
      [
        [1, 1],
        [2, ']}"\\'],
      ],
    ],
    [
      'a list in an object, with other lists around it',
      '{"x":[1],"links":[{"a":[2]}],"y":[{"b":3}]}',
      [[1, [2]]],
    ],
    [
      'pages behind each other',
      '{"data":[{"a":1}]}\n{"data":[{"a":2}]}',
      [
        [1, 1],
        [2, 2],
      ],
    ],
    [
      'objects without a list',
      '{"a":1}\n\n{"a":\n2}',
      [
        [1, 1],
        [3, 2],
      ],
    ],
    [
      'elements that are no objects',
      '[1, "a,b", null, [1,2], {"a":1}]',
      [
        [1, 'not-json'],
        [1, 'not-json'],
        [1, 'not-json'],
        [1, 'not-json'],
        [1, 1],
      ],
    ],
    [
      'an element that is wrong',
      '[{"a":1,},{"a":2}]',
      [
        [1, 'not-json'],
        [1, 2],
      ],
    ],
    [
      'brackets that do not fit',
      '[{"a":1}},{"a":2}]',
      [
        [1, 1],
        [1, 'not-json'],
      ],
    ],
    [
      'the end in an element',
      '[{"a":1},\n {"a":',
      [
        [1, 1],
        [2, 'cut-off'],
      ],
    ],
    [
      'the end between elements',
      '[{"a":1},\n',
      [
        [1, 1],
        [2, 'cut-off'],
      ],
    ],
    [
      'fields around the list that are wrong',
      '{"data":[{"a":1}],x}',
      [
        [1, 1],
        [1, 'not-json'],
      ],
    ],
    ['an empty list', '{"links":[]}', []],
    [
      'a second list',
      '{"links":[{"a":1}],"data":[{"b":3}]}',
      [
        [1, 1],
        [1, 'wrong-format'],
      ],
    ],
    ['other words', 'nonsense', [[1, 'cut-off']]],
  ] as const) {
    it(what, () => {
      expect(shown(new JsonRecords(), text)).to.deep.equal(expected);
    });
  }

  it('keeps the fields around the list', () => {
    const reader = new JsonRecords();
    records(reader, '{"total": 3, "data": [{"a": 1}], "next": {"page": 2}}');
    expect(reader.envelope).to.deep.equal({ total: 3, data: [], next: { page: 2 } });
  });

  it('a list in the form of a link is read as a link is: fields in any order', async () => {
    const page = (address: string, total: number): string =>
      JSON.stringify({ data: [{ target: 'https://example.com/', address }], total });
    const reading = await readAll(page('abc', 2) + page('def', 2));
    expect(brief(reading)).to.deep.equal(['abc', 'def']);
    expect(reading.summary.notes).to.deep.equal([]);
    expect((await readAll(page('abc', 2))).summary.notes).to.have.length(1);
  });
});
