//! Where the operator's word meets the agent: the book of offers, its words kept in the store.

use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use tokio::sync::Notify;
use tracing::info;

use crate::{
    offers::{Book, OfferStatus, WordError, Words},
    store::{Store, StoreError},
};

/// Name of the words in the store.
const FACT: &str = "offers";

/// The book of offers; clones share it.
#[derive(Clone)]
pub(crate) struct Desk(Arc<Inner>);

struct Inner {
    book: Mutex<Book>,
    store: Store,
    /// Held from the look at the words to their change, so that none is lost.
    speaking: tokio::sync::Mutex<()>,
    spoken: Notify,
}

impl Desk {
    /// Opens it for `most` offers, with the words of earlier runs.
    pub(crate) fn open(store: Store, most: u32) -> Result<Self, StoreError> {
        let mut book = Book::new(usize::try_from(most).unwrap_or(usize::MAX));
        book.restore_words(store.fact::<Words>(FACT)?.unwrap_or_default());
        let (book, speaking, spoken) = (Mutex::new(book), Default::default(), Notify::new());
        Ok(Desk(Arc::new(Inner { book, store, speaking, spoken })))
    }

    /// The book. What is done with it is short and complete at each step, so a panic elsewhere leaves
    /// it sound.
    pub(crate) fn book(&self) -> MutexGuard<'_, Book> {
        self.0.book.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Accepts or refuses offers, all of them or none. The word is durable when this returns.
    pub(crate) async fn speak(
        &self,
        names: &[String],
        accept: bool,
    ) -> Result<Vec<OfferStatus>, WordError> {
        let _speaking = self.0.speaking.lock().await;
        let (ids, words) = self.book().words_with(names, accept)?;
        self.0.store.put_fact(FACT, &Words::of(&words)).await?;
        let spoken_of = {
            let mut book = self.book();
            book.set_words(words);
            ids.iter().filter_map(|id| book.status(id)).collect()
        };
        info!(?ids, accept, "the operator decided on offers");
        self.0.spoken.notify_one();
        Ok(spoken_of)
    }

    /// Waits until the operator has said something since it was last waited for.
    pub(crate) async fn spoken(&self) {
        self.0.spoken.notified().await;
    }
}
