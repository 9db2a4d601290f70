// Requests of one card, each begun when the one before has its answer: a late answer tells of no former state.

export class Turns {
  #last = Promise.resolve();

  // What act() gives, once all that was asked before is answered, or refused.
  inTurn(act) {
    const done = this.#last.then(act);
    this.#last = done.catch(() => {});
    return done;
  }
}
