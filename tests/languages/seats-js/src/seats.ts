//! Decider of shows whose seats are booked, as `seats` has it in Rust.

import { Rejection, type Said, decider, integer, list, map, nullable, number, text } from "kinora-sdk";

/** What is known of a show; of the events of a guest, what that guest has. */
interface State {
  title: string;
  price: number;
  left: number;
  /** Seats by guest. */
  booked: Record<string, number>;
}

const SHOW = { title: text, seats: integer, price: number };
const BOOKING = { guest: text, seats: integer };

function soldOut(left: number): Rejection {
  return new Rejection("sold_out", "there are not as many seats left", { left });
}

export default decider<State>({
  name: "seats",
  category: "show",
  commands: {
    Open: { description: "Opens a show with a title that no other show has.", data: SHOW },
    Book: { description: "Books seats.", data: BOOKING },
    Exchange: {
      description: "Gives the seats of a guest up, and books as many in another show.",
      data: { guest: text, other: text },
    },
    Thank: { description: "Thanks a guest for all seats, of all shows.", data: { guest: text } },
    Close: { description: "Closes the show, and gives its title up." },
  },
  events: {
    ShowOpened: { data: SHOW },
    SeatsBooked: { data: { ...BOOKING, paid: number, show: nullable(text) } },
    SeatsGivenUp: { data: BOOKING },
    GuestThanked: { data: { guest: text, seats: map(integer), words: list(text) } },
    ShowClosed: { data: { title: text } },
  },
  claims: { title: { code: "title_taken", message: "another show has this title" } },

  initial: () => ({ title: "", price: 0, left: 0, booked: {} }),

  decide(show, { type, data }, context): Said[] {
    switch (type) {
      case "Open":
        return data.title === show.title ? [] : [{ type: "ShowOpened", data }];
      case "Book": {
        if (data.seats > show.left) throw soldOut(show.left);
        return [{ type: "SeatsBooked", data: { ...data, paid: data.seats * show.price, show: null } }];
      }
      case "Exchange": {
        const { guest, other } = data;
        const there = context.other(other);
        const seats = show.booked[guest] ?? 0;
        if (seats > there.left) throw soldOut(there.left);
        const paid = seats * (there.price - show.price);
        return [
          { type: "SeatsGivenUp", data: { guest, seats } },
          { type: "SeatsBooked", data: { guest, seats, paid, show: other } },
        ];
      }
      case "Thank": {
        const { guest } = data;
        const seats = context.tagged(`guest:${guest}`).booked;
        const words = [`Thanks, ${guest}!`, `${show.title} "\\\u007f\u2028🎭`];
        return [{ type: "GuestThanked", data: { guest, seats, words } }];
      }
      default:
        return [{ type: "ShowClosed", data: { title: show.title } }];
    }
  },

  evolve(show, { type, data }) {
    if (type === "ShowOpened") {
      show.left = data.seats;
      show.title = data.title;
      show.price = data.price;
    } else if (type === "SeatsBooked") {
      show.left = Math.max(0, show.left - data.seats);
      show.booked[data.guest] = (show.booked[data.guest] ?? 0) + data.seats;
    } else if (type === "SeatsGivenUp") {
      show.left += data.seats;
      delete show.booked[data.guest];
    } else if (type === "ShowClosed") {
      show.title = "";
    }
  },

  stream: ({ type, data }) => (type === "SeatsBooked" && data.show !== null ? `show-${data.show}` : null),
  tags: ({ type, data }) => (type === "SeatsBooked" || type === "SeatsGivenUp" ? [`guest:${data.guest}`] : []),
  claimed({ type, data }) {
    if (type === "ShowOpened") return [{ scope: "title", value: data.title }];
    return type === "ShowClosed" ? [{ scope: "title", value: data.title, released: true }] : [];
  },
});
