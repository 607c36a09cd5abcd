/** The most rounds for one time bound. */
const ROUNDS = 5;

/**
 * Repeats a round until three of at most five have stayed within their bounds. The bounds are those of the
 * protocol; a busy machine delays single rounds.
 * @throws Error with all rounds, as soon as a majority is impossible
 */
export async function mostRounds<Round>(
  play: () => Promise<Round>,
  isWithin: (round: Round) => boolean,
): Promise<Round[]> {
  const most = Math.ceil(ROUNDS / 2);
  const rounds: Round[] = [];
  for (;;) {
    rounds.push(await play());
    const within = rounds.filter(isWithin).length;
    if (within === most) return rounds;
    if (rounds.length - within === most)
      throw new Error(`most rounds did not stay within their bounds: ${JSON.stringify(rounds)}`);
  }
}
